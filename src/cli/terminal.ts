/** What the command line needs of the process it runs in; a test gives its own. */
import type { Clock } from "../common/index.ts";

/** Standard output or standard error. */
export interface Output {
  write(text: string): void;
  readonly isTTY: boolean;
  /** Width in characters. */
  readonly columns: number;
}

export interface Terminal {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Numeric user id; 0 is refused. */
  readonly userId: number;
  readonly homeDirectory: string;
  readonly clock: Clock;
  /** Asks at standard input; the question goes to standard error. Throws `CLI_NO_INPUT` or `CLI_INTERRUPTED`. */
  readonly ask: (question: string) => Promise<string>;
  /** The same without showing what is typed. */
  readonly askSecret: (question: string) => Promise<string>;
  /** True when somebody sits there who can answer in the middle of a command. */
  readonly interactive: boolean;
  /** Has Ctrl-C go to `handler` in place of `interrupted`; the result gives it back. */
  readonly onInterrupt: (handler: () => void) => () => void;
  /** Fires on Ctrl-C: the command line ends, a job that it started goes on. */
  readonly interrupted: AbortSignal;
  /** Version of Moneta. */
  readonly version: string;
  /** Where configuration files lie by default; `/etc/pgmoneta` unless a test says otherwise. */
  readonly defaultDirectory?: string;
}

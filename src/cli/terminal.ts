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
  /** Fires on Ctrl-C: the command line ends, a job that it started goes on. */
  readonly interrupted: AbortSignal;
  /** Version of Moneta. */
  readonly version: string;
  /** Where configuration files lie by default; `/etc/pgmoneta` unless a test says otherwise. */
  readonly defaultDirectory?: string;
}

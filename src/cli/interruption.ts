/** Ctrl-C while a job runs in the daemon: whoever sits there says what is to become of it. */
import { cliErrors } from "./errors.ts";
import type { Terminal } from "./terminal.ts";

export type Wish = "leave" | "cancel" | "wait";

export interface InterruptionParts {
  readonly terminal: Terminal;
  /** `backup of primary`. */
  readonly what: string;
  /** While the question stands the bar must not be drawn over it. */
  readonly hold: (held: boolean) => void;
  readonly cancel: () => Promise<void>;
  /** Ends the wait; the job goes on. */
  readonly leave: () => void;
}

const question = (what: string): string => `The ${what} runs in the daemon. Leave it running (l), cancel it (c), or wait on (w)? [l] `;

/** The answer to the question; a second Ctrl-C, the end of the input and anything unclear leave the job alone. */
async function askWish(terminal: Terminal, what: string): Promise<Wish> {
  try {
    const answer = (await terminal.ask(question(what))).trim().toLowerCase();
    if (["c", "cancel"].includes(answer)) return "cancel";
    return ["w", "wait"].includes(answer) ? "wait" : "leave";
  } catch (error) {
    if (cliErrors.questionInterrupted.is(error) || cliErrors.noInput.is(error)) return "leave";
    throw error;
  }
}

/**
 * From now on Ctrl-C asks, where somebody can answer; elsewhere it ends the wait as ever. The result undoes it.
 */
export function askAtInterruption({ terminal, what, hold, cancel, leave }: InterruptionParts): () => void {
  if (!terminal.interactive) return () => undefined;
  let asking = false;
  const onInterrupt = (): void => {
    if (asking) return;
    asking = true;
    hold(true);
    askWish(terminal, what)
      .then(async (wish) => {
        if (wish === "leave") leave();
        else if (wish === "cancel") await cancel();
      })
      .catch((error: unknown) => terminal.stderr.write(`moneta-cli: ${error instanceof Error ? error.message : String(error)}\n`))
      .finally(() => {
        asking = false;
        hold(false);
      });
  };
  return terminal.onInterrupt(onInterrupt);
}

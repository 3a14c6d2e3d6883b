/** Text of a failure: what, where, how to fix it. */
import { styleText } from "node:util";
import type { MonetaError } from "../common/index.ts";
import type { CommandName, Outcome } from "../management/index.ts";
import { printable, wrap } from "./table.ts";

/** What is known of a failure, wherever it happened. */
export interface Failure {
  readonly command: string;
  readonly message: string;
  readonly code: string | undefined;
  /** pgmoneta's number; undefined when no daemon was asked. */
  readonly number: number | undefined;
  readonly hint: string | undefined;
  readonly details: readonly string[];
}

export const failureOfError = (command: string, error: MonetaError): Failure => ({
  command,
  message: error.message,
  code: error.code,
  number: undefined,
  hint: error.hint,
  details: [],
});

/** A failed outcome; pgmoneta's daemon sends only a number and the name of its stage. */
export const failureOfOutcome = (command: CommandName, outcome: Outcome): Failure => ({
  command,
  message: outcome.message ?? `the daemon answers error ${outcome.error} of "${outcome.workflow}"`,
  code: outcome.code,
  number: outcome.error,
  hint: outcome.hint ?? "The log of the daemon says more.",
  details: outcome.workerErrors,
});

/**
 * Lines for standard error. `width` is that of the terminal; without one, for files and programs, each line of the
 * message stays whole, so that it can be searched for.
 */
export function renderFailure(failure: Failure, colour: boolean, width: number = Number.POSITIVE_INFINITY): string[] {
  const mark = colour ? styleText("red", "failed") : "failed";
  const head = `moneta-cli: ${printable(failure.command)} failed:`;
  // Messages with several lines (every fault of a configuration file) keep them.
  const [first = "", ...more] = failure.message.split("\n");
  const code = [failure.code, failure.number === undefined ? undefined : `error ${failure.number}`].filter(
    (part) => part !== undefined,
  );
  const [top = head, ...below] = wrap(first, width - 2, `${head} `, "  ");
  return [
    `${head.slice(0, -"failed:".length)}${mark}:${top.slice(head.length)}`,
    ...below,
    ...[...more, ...failure.details].flatMap((line) => wrap(line, width - 2, "  ", "    ")),
    ...(failure.hint === undefined ? [] : wrap(failure.hint, 78, "  fix:  ", "        ")),
    ...(code.length === 0 ? [] : [`  code: ${code.join(", ")}`]),
  ];
}

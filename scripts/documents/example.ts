/** One line of the manual, and what it prints. */
import type { CommandName } from "../../src/management/index.ts";

export interface Example {
  readonly command: CommandName;
  /** What it is for; goes before the line. */
  readonly text: string;
  /** Behind `moneta-cli`, as typed into a shell. */
  readonly line: string;
  /** How it ends; 0 unless said. */
  readonly exit?: number;
  /** Goes on until an example after it ends it. */
  readonly goesOn?: true;
  /**
   * What it prints: to standard output, or to standard error where it fails. A number stands for any number, a position for any
   * position, `…` for anything in its line, and a line of `…` for any lines.
   */
  readonly prints: readonly string[];
}

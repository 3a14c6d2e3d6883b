/** Where a password comes from, in this order: -P, -g, PGMONETA_PASSWORD, the question. */
import type { Prompt } from "../common/index.ts";
import { generatePassword } from "../vault/index.ts";
import { adminErrors } from "./errors.ts";

export interface PasswordOptions {
  /** `-P`. */
  readonly password: string | undefined;
  /** `-g`. */
  readonly generate: boolean;
  /** `-l`. */
  readonly length: number;
  /** `PGMONETA_PASSWORD`. */
  readonly fromEnvironment: string | undefined;
}

export interface ChosenPassword {
  readonly password: string;
  /** True when nobody knows it yet. */
  readonly generated: boolean;
}

/** The password of the command; a typed one must be typed twice. */
export async function choosePassword(
  options: PasswordOptions,
  prompt: Prompt,
  subject: string,
): Promise<ChosenPassword> {
  if (options.password !== undefined && options.generate) throw adminErrors.usage("-P and -g cannot be used together");
  if (options.password !== undefined) return { password: options.password, generated: false };
  if (options.generate) return { password: generatePassword(options.length), generated: true };
  if (options.fromEnvironment !== undefined && options.fromEnvironment !== "") {
    return { password: options.fromEnvironment, generated: false };
  }
  const password = await prompt.askSecret(`${subject}: `);
  const again = await prompt.askSecret(`${subject} (again): `);
  if (password !== again) throw adminErrors.notTheSame(`the two entries of ${subject.toLowerCase()} differ`);
  return { password, generated: false };
}

/** Replacing `$NAME` and `${NAME}` in the values of the keys where pgmoneta does. */
import type { Parsed } from "./option.ts";

/** The text with its variables replaced; a variable that is not set is an error and not an empty text. */
export function expandVariables(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): Parsed<string> {
  const missing: string[] = [];
  const value = text.replace(
    /\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))/g,
    (_match, braced?: string, bare?: string) => {
      const name = braced ?? bare ?? "";
      const replacement = environment[name];
      if (replacement === undefined) missing.push(name);
      return replacement ?? "";
    },
  );
  return missing.length === 0
    ? { ok: true, value }
    : { ok: false, reason: `the environment variable ${missing.join(", ")} to be set` };
}

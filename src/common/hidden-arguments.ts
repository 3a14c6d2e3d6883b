/** Passwords on a command line: every account of the machine can read it in the list of processes. */

/** Stands where a password was. */
const hidden = "***";

/**
 * The words without what must not be seen: the password of `-P` or `--password`, and everything behind `conf set`, where the value
 * of a key can be one. Undefined where there is nothing to hide.
 *
 * @param words as they were given, without the name of the program
 */
export function withoutSecrets(words: readonly string[]): readonly string[] | undefined {
  const shown: string[] = [];
  let hideNext = false;
  let found = false;
  for (const [at, word] of words.entries()) {
    if (word === "set" && words.slice(0, at).includes("conf")) {
      const rest = words.length > at + 1 ? [hidden] : [];
      return found || rest.length > 0 ? [...shown, word, ...rest] : undefined;
    }
    const option = /^(--password(?==|$)|-(?!-)[^=]*?P)(=?)(.*)$/s.exec(word);
    if (hideNext || option !== null) found = true;
    if (hideNext) shown.push(hidden);
    else if (option === null) shown.push(word);
    else shown.push(option[3] === "" && option[2] === "" ? word : `${option[1] ?? ""}${option[2] ?? ""}${hidden}`);
    hideNext = option !== null && option[3] === "" && option[2] === "";
  }
  return found ? shown : undefined;
}

/**
 * Takes passwords off the command line that others see, as soon as this process runs; between its start and this call they
 * could be read. `title` writes over the whole line (`process.title`).
 */
export function hideSecretArguments(program: string, words: readonly string[], setTitle: (title: string) => void): void {
  const shown = withoutSecrets(words);
  if (shown !== undefined) setTitle([program, ...shown].join(" "));
}

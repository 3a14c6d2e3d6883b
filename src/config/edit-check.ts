/** What is wrong with a key that an editor is about to set in a file: before it is written, and whatever else the file lacks. */
import { compileContext } from "./load.ts";
import { compileMain } from "./compile-main.ts";
import { compileSection } from "./compile-section.ts";
import type { ConfigProblem } from "./configuration.ts";
import { parseIni } from "./ini-document.ts";
import { clientTable } from "./option-table.ts";

/** What is wrong with a file, apart from the machine that it is for. */
export interface EditedFile {
  /** With the key. */
  readonly own: readonly ConfigProblem[];
  /** With everything else, as before. */
  readonly others: readonly ConfigProblem[];
}

/** Checks `text` as the content of a file of the daemon, or of moneta-cli where its name is pgmoneta_cli.conf. */
export function checkEdited(
  file: string,
  text: string,
  place: { readonly section: string; readonly key?: string | undefined },
  environment: Readonly<Record<string, string | undefined>>,
): EditedFile {
  const context = compileContext(file, environment, false);
  const problems = file.endsWith("pgmoneta_cli.conf") ? ofClient(file, text, context) : compileMain(text, context).problems;
  const isOwn = ({ key, section, message }: ConfigProblem): boolean =>
    place.key !== undefined && key === place.key && section === place.section && !message.endsWith("but the key is missing");
  return { own: problems.filter(isOwn), others: problems.filter((problem) => !isOwn(problem)) };
}

function ofClient(file: string, text: string, context: ReturnType<typeof compileContext>): ConfigProblem[] {
  const { problems, sections } = parseIni(file, text, { sectionsMatter: false });
  return [...problems, ...sections.flatMap((section) => compileSection(section, clientTable, context).problems)];
}

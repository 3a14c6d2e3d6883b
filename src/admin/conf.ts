/** `conf init|get|set|del|ls`: files of the configuration, edited without a daemon, as pgmoneta-config does. */
import type { Prompt } from "../common/index.ts";
import { resolve } from "node:path";
import {
  checkEdited,
  configErrors,
  createConfigurationFile,
  editConfigurationFile,
  formatProblem,
  notSet,
  parseIni,
  readConfigurationFile,
  removeValue,
  setValue,
  shownText,
  valueIn,
} from "../config/index.ts";
import type { ActionResult } from "./actions.ts";
import { defaultServer, questions, template } from "./conf-template.ts";

export type ConfRequest =
  | { readonly command: "conf init"; readonly output: string; readonly quiet: boolean; readonly force: boolean }
  | { readonly command: "conf get"; readonly file: string; readonly section: string; readonly key: string }
  | { readonly command: "conf set"; readonly file: string; readonly section: string; readonly key: string; readonly value: string }
  | { readonly command: "conf del"; readonly file: string; readonly section: string; readonly key: string | undefined }
  | { readonly command: "conf ls"; readonly file: string; readonly section: string | undefined };

export interface ConfSurroundings {
  readonly prompt: Prompt;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const result = (message: string, fields: Readonly<Record<string, unknown>>, lines: readonly string[] = []): ActionResult => ({
  message,
  lines,
  fields,
  users: undefined,
  generatedPassword: undefined,
});

async function init({ force, output, quiet }: ConfRequest & { command: "conf init" }, surroundings: ConfSurroundings): Promise<ActionResult> {
  const file = resolve(output);
  const ask = async (question: string, standard: string): Promise<string> => {
    const answer = quiet ? "" : (await surroundings.prompt.ask(`${question} [${standard}]: `)).trim();
    return answer === "" ? standard : answer;
  };
  const answers: (readonly [section: string, key: string, value: string])[] = [];
  const askAll = async (group: "pgmoneta" | "server", section: string): Promise<void> => {
    for (const { answer, key, question, section: own } of questions) if (own === group) answers.push([section, key, await ask(question, answer)]);
  };
  await askAll("pgmoneta", "pgmoneta");
  const server = await ask("Name of the PostgreSQL server", defaultServer);
  await askAll("server", server);
  let text = template(server);
  for (const [section, key, value] of answers) text = setValue(file, text, { section, key }, value);
  const { own, others } = checkEdited(file, text, { section: server }, surroundings.environment);
  const problems = [...own, ...others];
  if (problems.length > 0) throw configErrors.refused(problems.map((problem) => problem.message).join("; "));
  await createConfigurationFile(file, text, force);
  return result(`The configuration is in ${file}.`, { File: file, Server: server });
}

function get({ file, key, section }: ConfRequest & { command: "conf get" }): ActionResult {
  const value = valueIn(parseIni(file, readConfigurationFile(file)), { section, key });
  if (value === undefined) throw notSet(file, { section, key });
  const shown = shownText(section, key, value);
  return result("", { File: file, Section: section, Key: key, Value: shown }, [shown]);
}

async function set(request: ConfRequest & { command: "conf set" }, { environment }: ConfSurroundings): Promise<ActionResult> {
  const { file, key, section, value } = request;
  let others: readonly string[] = [];
  await editConfigurationFile(file, (text) => {
    const edited = setValue(file, text, { section, key }, value);
    const found = checkEdited(file, edited, { section, key }, environment);
    if (found.own.length > 0) throw configErrors.refused(found.own.map(formatProblem).join("; "), { file, key, section });
    others = found.others.map(formatProblem);
    return edited;
  });
  const shown = shownText(section, key, value);
  return result(
    `${key} of [${section}] is ${shown} in ${file}. A daemon that runs takes it over with moneta-cli conf reload.`,
    { File: file, Section: section, Key: key, Value: shown, Problems: others },
    others.length === 0 ? [] : ["The file is not complete yet:", ...others.map((problem) => `  ${problem}`)],
  );
}

async function del({ file, key, section }: ConfRequest & { command: "conf del" }): Promise<ActionResult> {
  await editConfigurationFile(file, (text) => removeValue(file, text, key === undefined ? { section } : { section, key }));
  const what = key === undefined ? `The section [${section}]` : `${key} of [${section}]`;
  return result(`${what} is not in ${file} any more.`, { File: file, Section: section, Key: key ?? null });
}

function ls({ file, section }: ConfRequest & { command: "conf ls" }): ActionResult {
  const { sections } = parseIni(file, readConfigurationFile(file));
  if (section === undefined) {
    const names = sections.map(({ name }) => name);
    return result("", { File: file, Sections: names }, names);
  }
  const found = sections.find(({ name }) => name === section);
  if (found === undefined) throw notSet(file, { section });
  const keys = found.entries.map(({ key }) => key);
  return result("", { File: file, Section: section, Keys: keys }, keys);
}

/** Carries one of them out. Throws errors of the catalogue; then nothing was changed. */
export async function runConf(request: ConfRequest, surroundings: ConfSurroundings): Promise<ActionResult> {
  switch (request.command) {
    case "conf init":
      return init(request, surroundings);
    case "conf get":
      return get(request);
    case "conf set":
      return set(request, surroundings);
    case "conf del":
      return del(request);
    case "conf ls":
      return ls(request);
  }
}

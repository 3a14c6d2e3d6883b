/** From the text of pgmoneta.conf to options: no file is touched here. */
import { checkMain, checkServer, checkServers, type SectionUnderCheck } from "./check-consistency.ts";
import { checkNotify } from "./check-notify.ts";
import { checkFollow } from "./check-follow.ts";
import { checkPlaces } from "./check-places.ts";
import { checkStandbys } from "./check-standbys.ts";
import { compileSection, type CompileContext } from "./compile-section.ts";
import type { ConfigProblem } from "./configuration.ts";
import { parseIni, type IniDocument, type IniSection } from "./ini-document.ts";
import { propertyOf } from "./option.ts";
import { mainTable, serverTable, type MainOptions, type ServerOptions } from "./option-table.ts";
import type { CompressionChoice } from "./value-types.ts";

export interface CompiledMain {
  readonly document: IniDocument;
  readonly main: SectionUnderCheck | undefined;
  readonly servers: readonly SectionUnderCheck[];
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

const mainSection = "pgmoneta";

/** The server's own method with the level that belongs to it: a level of another method means nothing. */
function compileServer(
  section: IniSection,
  context: CompileContext,
  mainValues: ReadonlyMap<string, unknown>,
): SectionUnderCheck {
  const first = compileSection(section, serverTable, context, mainValues);
  const method = (values: ReadonlyMap<string, unknown>): unknown =>
    (values.get("compression") as CompressionChoice | undefined)?.method;
  if (first.entries.has("compression_level") || method(first.values) === method(mainValues))
    return { section, compiled: first };
  const { presence } = mainTable.compression_level;
  const level = presence.is === "default" ? presence.value : undefined;
  return { section, compiled: { ...first, values: new Map([...first.values, ["compression_level", level]]) } };
}

/** Compiles the text of the main file and collects everything that is wrong with it. */
export function compileMain(text: string, context: CompileContext): CompiledMain {
  const document = parseIni(context.file, text);
  const problems: ConfigProblem[] = [...document.problems];
  const warnings: ConfigProblem[] = [];
  const section = document.sections.find(({ name }) => name === mainSection);
  if (section === undefined) {
    const message = `expected the section [${mainSection}]`;
    problems.push({ file: context.file, line: undefined, section: undefined, key: undefined, message });
  }
  const main = section === undefined ? undefined : { section, compiled: compileSection(section, mainTable, context) };
  const mainValues = main?.compiled.values ?? new Map<string, unknown>();
  const servers = document.sections
    .filter(({ name }) => name !== mainSection)
    .map((each) => compileServer(each, context, mainValues));

  const take = (from: {
    readonly problems: readonly ConfigProblem[];
    readonly warnings: readonly ConfigProblem[];
  }): void => {
    problems.push(...from.problems);
    warnings.push(...from.warnings);
  };
  if (main !== undefined) {
    take(main.compiled);
    take(checkMain(context.file, main));
    take({ problems: checkNotify(context.file, main), warnings: [] });
  }
  for (const server of servers) {
    take(server.compiled);
    take(checkServer(context.file, server));
  }
  problems.push(...checkServers(context.file, servers), ...checkFollow(context.file, servers));
  if (main !== undefined) problems.push(...checkPlaces(context.file, main, servers), ...checkStandbys(context.file, main, servers));
  return { document, main, servers, problems, warnings };
}

function properties(values: ReadonlyMap<string, unknown>): Record<string, unknown> {
  return Object.fromEntries([...values].map(([key, value]) => [propertyOf(key), value]));
}

/** The values as properties. The tables that compiled them are those from which the types follow, so the types hold. */
export function mainOptionsOf({ compiled }: SectionUnderCheck): MainOptions {
  return properties(compiled.values) as MainOptions;
}

/** The same for a server. */
export function serverOptionsOf({ section, compiled }: SectionUnderCheck): ServerOptions {
  return { name: section.name, ...properties(compiled.values) } as ServerOptions;
}

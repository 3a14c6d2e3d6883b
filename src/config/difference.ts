/**
 * What a reload makes of another configuration: every key that can be applied is, those that need a restart keep their
 * value, and both are listed. Pure; what the result has in mind for the processes is the supervisor's business.
 */
import { isDeepStrictEqual } from "node:util";
import { checkFollow } from "./check-follow.ts";
import { checkPlaces } from "./check-places.ts";
import { checkStandbys } from "./check-standbys.ts";
import type { SectionUnderCheck } from "./check-consistency.ts";
import { absolute, type CompileContext } from "./compile-section.ts";
import { mainOptionsOf, serverOptionsOf } from "./compile-main.ts";
import type { ConfigProblem, Configuration } from "./configuration.ts";
import { deepFreeze } from "./freeze.ts";
import type { ConfigurationSource, LoadedConfiguration } from "./load.ts";
import type { AnyOption, OptionTable } from "./option.ts";
import { mainTable, serverTable } from "./option-table.ts";
import { invalid } from "./problem.ts";
import { shownValue } from "./shown-value.ts";

/** One key that has another value; secrets are not shown. */
export interface KeyChange {
  readonly section: string;
  readonly key: string;
  /** Null where there is no value. */
  readonly before: string | null;
  readonly after: string | null;
}

export interface ConfigurationDifference {
  readonly changed: readonly KeyChange[];
  /** Those that keep the value `before` until the daemon is started again. */
  readonly needRestart: readonly KeyChange[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** A configuration that can be applied now. */
export interface ApplicableConfiguration {
  readonly loaded: LoadedConfiguration;
  readonly difference: ConfigurationDifference;
}

const waitsForRestart = ({ reload, status }: AnyOption): boolean => reload === "restart" && status.is === "active";

/**
 * Combines what runs with what is wanted. Throws `CONFIGURATION_INVALID` when the wanted values and those that have to stay for
 * now do not go together.
 */
export function applicable(running: LoadedConfiguration, wanted: LoadedConfiguration): ApplicableConfiguration {
  const changes: Changes = { changed: [], needRestart: [] };
  const main = combine(mainTable, running.source.main, wanted.source.main, changes, wanted.source.context);
  const before = new Map(running.source.servers.map((server) => [server.section.name, server]));
  const servers = wanted.source.servers.map((server) => {
    const old = before.get(server.section.name);
    return old === undefined ? withMain(server, main) : combine(serverTable, old, server, changes, wanted.source.context);
  });
  const names = new Set(servers.map(({ section }) => section.name));
  if (changes.needRestart.length > 0) checkTogether(wanted, main, servers);
  const source: ConfigurationSource = { ...wanted.source, main, servers };
  const configuration: Configuration = { ...wanted.configuration, main: mainOptionsOf(main), servers: servers.map(serverOptionsOf) };
  return {
    loaded: { ...wanted, source, configuration: deepFreeze(configuration) },
    difference: {
      ...changes,
      added: [...names].filter((name) => !before.has(name)),
      removed: [...before.keys()].filter((name) => !names.has(name)),
    },
  };
}

interface Changes {
  readonly changed: KeyChange[];
  readonly needRestart: KeyChange[];
}

/** The section as it can be applied; what is different is added to `changes`. */
function combine(
  table: OptionTable,
  running: SectionUnderCheck,
  wanted: SectionUnderCheck,
  changes: Changes,
  context: CompileContext,
): SectionUnderCheck {
  const values = new Map(wanted.compiled.values);
  for (const [key, option] of Object.entries(table)) {
    if (waitsForRestart(option)) values.set(key, running.compiled.values.get(key));
  }
  // What follows from a value that stays for now follows from that one.
  for (const [key, option] of Object.entries(table)) {
    const { presence } = option;
    if (presence.is !== "computed" || waitsForRestart(option) || wanted.compiled.entries.has(key)) continue;
    values.set(key, absolute(option, presence.from.compute({ ...context, values })));
  }
  for (const [key, option] of Object.entries(table)) {
    const own = (section: SectionUnderCheck): boolean => section.compiled.entries.has(key) || option.presence.is !== "inherited";
    // What a server only inherits is told of the section where it stands.
    if (!own(running) && !own(wanted)) continue;
    const target = waitsForRestart(option) ? wanted.compiled.values : values;
    if (sameValue(option, running.compiled.values.get(key), target.get(key))) continue;
    const change = {
      section: wanted.section.name,
      key,
      before: shownValue(option, running.compiled, key),
      after: shownValue(option, { values: target, entries: wanted.compiled.entries }, key),
    };
    (waitsForRestart(option) ? changes.needRestart : changes.changed).push(change);
  }
  return { section: wanted.section, compiled: { ...wanted.compiled, values } };
}

/** Some values, such as addresses, keep what they are to themselves: their texts are compared as well. */
function sameValue({ kind }: AnyOption, one: unknown, other: unknown): boolean {
  if (one === undefined || other === undefined) return one === other;
  return isDeepStrictEqual(one, other) && kind.format(one) === kind.format(other);
}

/** A new server inherits what is in force. */
function withMain(server: SectionUnderCheck, main: SectionUnderCheck): SectionUnderCheck {
  const values = new Map(server.compiled.values);
  for (const [key, option] of Object.entries<AnyOption>(serverTable)) {
    if (option.presence.is !== "inherited" || !waitsForRestart(option) || server.compiled.entries.has(key)) continue;
    values.set(key, main.compiled.values.get(key));
  }
  return { section: server.section, compiled: { ...server.compiled, values } };
}

function checkTogether({ configuration }: LoadedConfiguration, main: SectionUnderCheck, servers: readonly SectionUnderCheck[]): void {
  const file = configuration.files.main;
  const problems: ConfigProblem[] = [...checkPlaces(file, main, servers), ...checkStandbys(file, main, servers), ...checkFollow(file, servers)];
  if (problems.length === 0) return;
  throw invalid(problems.map((problem) => ({ ...problem, message: `${problem.message}; as long as the daemon has not been started again` })));
}

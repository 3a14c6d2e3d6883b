/** The parts of a support bundle that need no daemon: configuration, machine, log and repository. */
import { dirname } from "node:path";
import { describeConfiguration, formatProblem, loadConfiguration, locateFiles, type FileLocations, type LoadedConfiguration } from "../config/index.ts";
import {
  boundedLists,
  describeFailure,
  installationPlans,
  machinePlans,
  makeParts,
  type BundlePart,
  type DiagnosedServer,
  type HostFacts,
  type PartPlan,
} from "../diagnose/index.ts";
import { configurationResponse, encodeJson, listBackupResponse, type JsonValue } from "../management/index.ts";
import { openCatalog } from "../repository/index.ts";
import { openLocalStorage, type Storage } from "../storage/index.ts";
import type { Collected } from "./diagnose-collected.ts";
import { passwordsOfVault, secretsOfConfiguration } from "./diagnose-secrets.ts";
import type { Invocation } from "./invocation.ts";
import { openOfflineOperations, program } from "./offline.ts";
import { readRawConfiguration } from "./raw-configuration.ts";
import type { Terminal } from "./terminal.ts";

const usualSegment = 16 * 1024 * 1024;

/** The size of its segments, as its newest backup has it. */
async function segmentSizeOf(storage: Storage, server: string): Promise<number> {
  try {
    return (await openCatalog(storage, server).list()).at(-1)?.own?.walSegmentSize ?? usualSegment;
  } catch {
    // What is wrong with the catalog says the part that lists the backups.
    return usualSegment;
  }
}

/** A sentence in the place of what it is about, and what failed. */
const failed = (name: string, about: string, error: unknown): BundlePart => ({ name, about, text: undefined, remark: describeFailure(error) });

interface ConfigurationParts {
  readonly loaded: LoadedConfiguration | undefined;
  readonly parts: readonly BundlePart[];
  readonly secrets: readonly string[];
}

const aboutConfiguration = "the configuration, every key with its value, without secrets";

/** What stands in the main file is what is needed most where it cannot be understood. */
function withoutConfiguration(places: FileLocations, why: BundlePart): ConfigurationParts {
  try {
    const { hidden, text } = readRawConfiguration(locateFiles(places).main);
    const remark = "comments, secrets and the values of unknown keys are left out";
    const raw = { name: "configuration.txt", about: "the keys of the main file, which could not be understood", text, remark };
    return { loaded: undefined, parts: [why, raw], secrets: hidden };
  } catch {
    // Why it cannot be found or read is said already.
    return { loaded: undefined, parts: [why], secrets: [] };
  }
}

/** The configuration; one that cannot be understood as far as it can be shown. */
async function readConfiguration({ options }: Invocation, terminal: Terminal): Promise<ConfigurationParts> {
  let loaded: LoadedConfiguration;
  const places: FileLocations = { directory: options.directory, environment: terminal.environment, defaultDirectory: terminal.defaultDirectory };
  try {
    loaded = await loadConfiguration({ ...places, purpose: "offline" });
  } catch (error) {
    return withoutConfiguration(places, failed("configuration.json", aboutConfiguration, error));
  }
  const shown = configurationResponse(describeConfiguration(loaded.source), loaded.configuration.files);
  const part: BundlePart = {
    name: "configuration.json",
    about: aboutConfiguration,
    text: `${encodeJson(shown, 2)}\n`,
    remark: loaded.warnings.length === 0 ? undefined : loaded.warnings.map(formatProblem).join("; "),
  };
  const secrets = await secretsOfConfiguration(loaded);
  try {
    return { loaded, parts: [part], secrets: [...secrets, ...(await passwordsOfVault(loaded.configuration))] };
  } catch (error) {
    // What is not known cannot be looked for; what has the form of a secret is taken out all the same.
    return { loaded, parts: [part, failed("passwords", "the passwords that are looked for in everything else", error)], secrets };
  }
}

const listPlan = (server: string, invocation: Invocation, terminal: Terminal): PartPlan => ({
  name: `servers/${server}/backups.json`,
  about: `the backups of ${server}`,
  async produce() {
    const { options } = invocation;
    const { defaultDirectory, environment } = terminal;
    const operations = await openOfflineOperations({ directory: options.directory, environment, defaultDirectory, program, warn: () => undefined });
    try {
      const { backups, identity } = await operations.listBackups(server);
      const { dropped, value } = boundedLists(listBackupResponse(identity, backups, "asc"));
      return { text: `${encodeJson(value as JsonValue, 2)}\n`, ...(dropped === 0 ? {} : { remark: `${dropped} entries of long lists are left out` }) };
    } finally {
      await operations.close();
    }
  },
});

/** Collects what is there. It never fails as a whole: without a configuration there is still the machine. */
export async function collectOffline(invocation: Invocation, terminal: Terminal): Promise<Collected> {
  const facts: HostFacts = { version: terminal.version, versions: process.versions, pid: process.pid, now: terminal.clock.now() };
  const { loaded, parts, secrets } = await readConfiguration(invocation, terminal);
  const plans: PartPlan[] = [...machinePlans(facts)];
  if (loaded !== undefined) {
    const { main, servers } = loaded.configuration;
    const storage = openLocalStorage(main.baseDir);
    const diagnosed: DiagnosedServer[] = [];
    for (const { name } of servers) diagnosed.push({ name, segmentSize: await segmentSizeOf(storage, name) });
    const places = servers.flatMap(({ hotStandby, walShipping }) => [walShipping, ...(hotStandby ?? [])]).filter((path) => path !== undefined);
    plans.push(
      ...installationPlans(
        {
          log: { type: main.logType, path: main.logPath },
          places: [main.baseDir, main.workspace, dirname(main.logPath), ...places],
          programs: { configured: servers.flatMap(({ postgresPath }) => [...postgresPath.values()]), path: terminal.environment["PATH"] ?? "" },
          storage,
          servers: diagnosed,
        },
        facts,
      ),
      ...servers.map(({ name }) => listPlan(name, invocation, terminal)),
    );
  }
  return { parts: [...parts, ...(await makeParts(plans, terminal.interrupted))], source: "the files of this machine, without a daemon", secrets };
}

/** `diagnose`: the daemon's own parts of a support bundle. Who asked writes the file, wherever that is. */
import { dirname } from "node:path";
import { setImmediate } from "node:timers/promises";
import { secretFilesOf, secretsOf, type LoadedConfiguration } from "../config/index.ts";
import {
  createBundleRedactor,
  describeProcesses,
  installationPlans,
  jsonText,
  machinePlans,
  makeParts,
  readSecretFiles,
  redactPart,
  type BundlePart,
  type PartPlan,
} from "../diagnose/index.ts";
import { diagnosisResponse, type ResponseResult } from "../management/index.ts";
import type { Storage } from "../storage/index.ts";
import type { Diagnosis, HandlerContext } from "./handler-context.ts";
import { otherPlaces } from "./metrics-sources.ts";
import type { KnownProcess } from "./process-facts.ts";

export interface DiagnosisOptions {
  readonly storage: Storage;
  readonly version: string;
  readonly pid: number;
  readonly listProcesses: () => readonly KnownProcess[];
  /** A scrape, as it would be at this moment. */
  readonly metrics: () => Promise<string>;
  /** The last lines of the log, from memory. */
  readonly recentLines: () => string;
  /** Of the daemon's environment. */
  readonly path: string;
  /** Fires when the daemon stops. */
  readonly signal: AbortSignal;
}

/** Of a server that has told nothing yet. */
const usualSegment = 16 * 1024 * 1024;

/** Figures that a process has of itself. */
function describeSelf(pid: number): string {
  const resources = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo()) resources.set(name, (resources.get(name) ?? 0) + 1);
  return jsonText({
    pid,
    parent: process.ppid,
    title: process.title,
    uptimeSeconds: Math.round(process.uptime()),
    user: { uid: process.getuid?.() ?? null, gid: process.getgid?.() ?? null, groups: process.getgroups?.() ?? null },
    memoryBytes: process.memoryUsage(),
    resources: process.resourceUsage(),
    active: Object.fromEntries(resources),
  });
}

/** All secrets that the configuration in force, its users and admins and its files have. */
async function secretsIn({ configuration, source }: LoadedConfiguration): Promise<string[]> {
  const { admins, users } = configuration;
  const passwords = [users, admins].flatMap((of) => of.names.map((name) => of.get(name) ?? ""));
  return [...secretsOf(source), ...passwords, ...(await readSecretFiles(secretFilesOf(configuration)))];
}

export function createDiagnosis({ listProcesses, metrics, path, pid, recentLines, signal, storage, version }: DiagnosisOptions): Diagnosis {
  return async (servers, loaded, sources) => {
    const { main } = loaded.configuration;
    const facts = { version, versions: process.versions, pid, now: sources.now() };
    const plans: readonly PartPlan[] = [
      { name: "daemon/process.json", about: "the process of the daemon, as it sees itself", produce: async () => ({ text: describeSelf(pid) }) },
      { name: "daemon/children.json", about: "the daemon and its children: memory, threads, open files", produce: () => describeProcesses(listProcesses()) },
      { name: "daemon/recent.log", about: "the last lines of the log since the start of the daemon, from its memory", produce: async () => ({ text: recentLines() }) },
      { name: "daemon/metrics.txt", about: "a scrape of the metrics", produce: async () => ({ text: await metrics() }) },
      ...machinePlans(facts),
      ...installationPlans(
        {
          // What goes nowhere else can be read back from memory alone.
          log: main.logType === "file" ? { type: "file", path: main.logPath } : undefined,
          places: [main.baseDir, main.workspace, dirname(main.logPath), ...servers.flatMap(otherPlaces)],
          programs: { configured: servers.flatMap(({ options }) => [...options.postgresPath.values()]), path },
          storage,
          servers: servers.map(({ name, state }) => ({ name, segmentSize: state().walSegmentSize || usualSegment })),
        },
        facts,
      ),
    ];
    // Here, where the secrets are known: what goes over the wire has none.
    const redactor = createBundleRedactor(await secretsIn(loaded));
    const clean: BundlePart[] = [];
    for (const part of await makeParts(plans, signal)) {
      clean.push(redactPart(part, redactor));
      // A large part takes tenths of a second: others are heard in between.
      await setImmediate();
    }
    return clean;
  };
}

export async function handleDiagnose({ diagnosis, reloads, servers, sources }: HandlerContext): Promise<ResponseResult> {
  return { status: true, response: diagnosisResponse(await diagnosis(servers, reloads().running(), sources)) };
}

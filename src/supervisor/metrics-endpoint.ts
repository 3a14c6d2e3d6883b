/** Metrics and health of the daemon: what the listener answers, from what the supervisor has in memory. */
import { createBreather, messageOf, type Clock } from "../common/index.ts";
import type { MainOptions } from "../config/index.ts";
import { createHttpEndpoint, type HttpSettings, type PreparedEndpoint } from "../http/index.ts";
import type { Logger } from "../log/index.ts";
import { createMetricsRenderer, metricsPage, type BackupsOwner, type DaemonFacts, type Exposition, type ExpositionFormat } from "../metrics/index.ts";
import { daemonFacts, type MetricsSources } from "./metrics-facts.ts";
import { watchProcesses, type KnownProcess } from "./process-facts.ts";
import type { ReloadPart } from "./reload-part.ts";
import { watchTrees } from "./tree-sizes.ts";

export interface MetricsOptions extends Omit<MetricsSources, "processes" | "trees" | "certificates" | "scrapes" | "started"> {
  /** As it is in force. */
  readonly main: () => MainOptions;
  /** The processes of the daemon. */
  readonly listProcesses: () => readonly KnownProcess[];
  /** Directories whose size is not known otherwise. */
  readonly listTrees: () => readonly string[];
  /** When the certificate of remote management expires, milliseconds since 1970; undefined where it has none. */
  readonly managementCertificateExpires: () => number | undefined;
  /** Why the daemon is not ready; nothing when it is. */
  readonly notReady: () => readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface MetricsEndpoint {
  /** Makes ready what another configuration wants; see `HttpEndpoint.prepare`. */
  prepare(main: MainOptions): Promise<PreparedEndpoint>;
  /** Puts the settings of a configuration in force: starts, stops, moves the listener, reads its TLS files again. */
  update(main: MainOptions): Promise<void>;
  /** The metrics as they are at this moment, also where nothing listens; it is no scrape, and counts as none. */
  text(): Promise<string>;
  /** Lets go of remembered answers. */
  forget(): void;
  close(all?: boolean): void;
  readonly port: number | undefined;
}

/** While the listener is on: how often the processes are looked at, directories measured, and changed backups rendered ahead of a scrape. */
const PROCESSES_MS = 10_000;
const TREES_MS = 600_000;
const BACKUPS_MS = 1_000;

export function httpSettings(main: MainOptions): HttpSettings {
  const { metricsCertFile: certFile, metricsCrlFile: crlFile, metricsKeyFile: keyFile, metricsCaFile: caFile } = main;
  return {
    host: main.host,
    port: main.metrics,
    // The configuration is refused with one of the two alone.
    tls: certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile, caFile, crlFile },
    requestMs: main.authenticationTimeout * 1000,
    answerMs: (main.blockingTimeout === 0 ? 600 : main.blockingTimeout) * 1000,
  };
}

/** Those that clients are shown, by what they are for. */
export function shownCertificates(ends: Readonly<Record<string, number | undefined>>): DaemonFacts["certificates"] {
  return Object.entries(ends).flatMap(([use, expires]) => (expires === undefined ? [] : [{ use, expires }]));
}

interface Remembered {
  readonly at: number;
  readonly exposition: Exposition;
}

export function createMetricsEndpoint(options: MetricsOptions): MetricsEndpoint {
  const { clock, logger } = options;
  const started = clock.now();
  const renderer = createMetricsRenderer({ limit: () => options.main().metricsBackups, pause: createBreather() });
  const owners = (): BackupsOwner[] => options.servers.map(({ name }) => ({ name, entries: options.status.entries(name) }));
  const remembered = new Map<ExpositionFormat, Remembered>();
  /** How often what was remembered was let go: an answer from before is not remembered after it. */
  let forgotten = 0;
  const forget = (): void => {
    forgotten += 1;
    remembered.clear();
  };
  const page = Buffer.from(metricsPage(options.status.version));
  let scrapes = { count: 0, seconds: 0 };
  let watching: { readonly stop: () => void; readonly processes: MetricsSources["processes"]; readonly trees: MetricsSources["trees"] } | undefined;

  const watch = (): NonNullable<typeof watching> => {
    const stopped = new AbortController();
    const { signal } = stopped;
    keepRendered(signal).catch(() => undefined); // Only the signal ends the sleep.
    return {
      stop: () => stopped.abort(),
      processes: watchProcesses(options.listProcesses, { clock, intervalMs: PROCESSES_MS, signal }),
      trees: watchTrees(options.listTrees, { clock, intervalMs: TREES_MS, signal }),
    };
  };
  const keepRendered = async (signal: AbortSignal): Promise<void> => {
    for (;;) {
      await renderer.refresh(owners()).catch((error: unknown) => logger.error(`the metrics of backups cannot be made ready: ${messageOf(error)}`));
      await clock.sleep(BACKUPS_MS, signal);
    }
  };
  const factsNow = (): DaemonFacts =>
    daemonFacts({
      ...options,
      started,
      processes: watching?.processes ?? { facts: [] },
      trees: watching?.trees ?? { of: () => 0 },
      certificates: () => shownCertificates({ metrics: http.certificateExpires, management: options.managementCertificateExpires() }),
      scrapes: () => ({ ...scrapes, refused: http.refused }),
    });
  const metrics = async (format: ExpositionFormat): Promise<Exposition> => {
    const began = clock.monotonic();
    const { metricsCacheMaxAge, metricsCacheMaxSize } = options.main();
    const known = remembered.get(format);
    const before = forgotten;
    const usable = known !== undefined && began - known.at < metricsCacheMaxAge * 1000;
    const exposition = usable ? known.exposition : await renderer.render(owners, factsNow, format);
    if (!usable) {
      remembered.delete(format);
      const size = exposition.reduce((sum, { length }) => sum + length, 0);
      if (before === forgotten && metricsCacheMaxAge > 0 && size <= metricsCacheMaxSize) remembered.set(format, { at: began, exposition });
    }
    scrapes = { count: scrapes.count + 1, seconds: scrapes.seconds + (clock.monotonic() - began) / 1000 };
    return exposition;
  };
  const http = createHttpEndpoint({ metrics, page: () => page, notReady: options.notReady }, logger);

  const prepare = async (main: MainOptions): Promise<PreparedEndpoint> => {
    const prepared = await http.prepare(httpSettings(main));
    return {
      abandon: () => prepared.abandon(),
      commit() {
        prepared.commit();
        forget();
        if (main.metrics === 0) {
          watching?.stop();
          watching = undefined;
        } else watching ??= watch();
      },
    };
  };
  return {
    prepare,
    update: async (main) => (await prepare(main)).commit(),
    text: async () => Buffer.concat(await renderer.render(owners, factsNow, "text")).toString("utf8"),
    forget,
    close(all) {
      watching?.stop();
      watching = undefined;
      http.close(all);
    },
    get port() {
      return http.port;
    },
  };
}

/** The part of the metrics in a reload. */
export function metricsPart(endpoint: Pick<MetricsEndpoint, "prepare">): ReloadPart {
  return {
    name: "the metrics",
    async prepare({ after }) {
      const prepared = await endpoint.prepare(after.configuration.main);
      return { commit: () => prepared.commit(), abandon: async () => prepared.abandon() };
    },
  };
}

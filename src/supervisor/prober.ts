/** Asks servers and the machine what the checks want to know: each time in a process of its own, which nothing can hold up here. */
import { createSemaphore, errorFromRecord } from "../common/index.ts";
import type { CertificateFile, ProbeReport } from "../check/index.ts";
import type { Configuration, ServerOptions } from "../config/index.ts";
import { fromProber, type FromProber, type ProbeStart, type ToProber } from "../ipc/index.ts";
import type { Logger, LogSink } from "../log/index.ts";
import { describeEnd, startProcess } from "./child-process.ts";
import { supervisorErrors } from "./errors.ts";
import type { LiveMasterKey } from "./live-master-key.ts";
import { titleOf, titleRoom } from "./process-title.ts";
import { repositorySettings, secretsFor, serverSettings } from "./settings.ts";

export interface ProberOptions {
  /** As it is in force. */
  readonly configuration: () => Configuration;
  readonly masterKey: LiveMasterKey;
  readonly logger: Logger;
  readonly logSink: LogSink;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly repositoryId?: string | undefined;
}

/** Settles when the process has ended. Throws what it throws, and JOB_DIED. */
export type Probe = (server: ServerOptions) => Promise<ProbeReport>;

export interface Prober {
  readonly probe: Probe;
  /** The processes that ask at the moment. */
  readonly running: Iterable<ProbingProcess>;
}

export interface ProbingProcess {
  readonly pid: number;
  readonly server: string;
}

/** Processes at the same time; further questions wait. */
const mostAtOnce = 3;
/** More than its own time limits together; storage that hangs has none. Milliseconds. */
const patienceMs = 120_000;

export function createProber(options: ProberOptions): Prober {
  const turns = createSemaphore(mostAtOnce);
  const running = new Set<ProbingProcess>();
  return { probe: (server) => turns.run(() => ask(options, server, running)), running };
}

/** The files with certificates, and with lists of revoked ones, that a server's section and the main section name. */
function certificatesOf({ main }: Configuration, server: ServerOptions): CertificateFile[] {
  const files: readonly (readonly [key: string, path: string | undefined])[] = [
    [`${server.name}.tls_cert_file`, server.tlsCertFile],
    [`${server.name}.tls_ca_file`, server.tlsCaFile],
    ["tls_cert_file", main.tlsCertFile],
    ["tls_ca_file", main.tlsCaFile],
    ["metrics_cert_file", main.metricsCertFile],
    ["metrics_ca_file", main.metricsCaFile],
    ["notify_ca_file", main.notifyCaFile],
    [`${server.name}.tls_crl_file`, server.tlsCrlFile],
    ["tls_crl_file", main.tlsCrlFile],
    ["metrics_crl_file", main.metricsCrlFile],
    ["notify_crl_file", main.notifyCrlFile],
  ];
  return files.flatMap(([key, path]) => (path === undefined ? [] : [{ key, path }]));
}

async function ask(options: ProberOptions, server: ServerOptions, running: Set<ProbingProcess>): Promise<ProbeReport> {
  const { environment, logger, logSink, repositoryId } = options;
  const configuration = options.configuration();
  const masterKey = await options.masterKey.refresh();
  return new Promise((resolve, reject) => {
    let outcome: (() => void) | undefined;
    let own: ProbingProcess | undefined;
    const process = startProcess<ToProber, FromProber>({
      program: "prober",
      check: fromProber,
      onMessage(message) {
        if (message.type === "log") logSink.write(message.record);
        else if (message.type === "failed") outcome = () => reject(errorFromRecord(message.error));
        else outcome = () => resolve(message.report);
      },
      onEnd(end) {
        clearTimeout(limit);
        if (own !== undefined) running.delete(own);
        if (outcome !== undefined) outcome();
        else reject(supervisorErrors.jobDied(`the process that was to check ${server.name} ended with ${describeEnd(end)}`));
      },
      logger: logger.child("prober"),
      // It writes to no repository: a new supervisor need not wait for it.
      lockFd: undefined,
      environment,
      titleRoom: titleRoom(configuration.main.updateProcessTitle),
    });
    const limit = setTimeout(() => process.kill(), patienceMs);
    if (process.pid !== undefined) running.add((own = { pid: process.pid, server: server.name }));
    const start: ProbeStart = {
      type: "start",
      ...titleOf(configuration.main.updateProcessTitle, "check", server.name),
      server: serverSettings(configuration, server),
      repository: repositorySettings(configuration, server, repositoryId),
      secrets: secretsFor(configuration, server, masterKey),
      certificates: certificatesOf(configuration, server),
    };
    // A process that is gone has its end reported by onEnd.
    process.channel.send(start).catch(() => undefined);
  });
}

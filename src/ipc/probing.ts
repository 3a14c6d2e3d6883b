/** The messages between the supervisor and the process that asks a server and the machine for the checks. */
import type { ProbeReport, ServerFindings, Alarm, CertificateFile, CertificateFinding } from "../check/index.ts";
import type { Prerequisite } from "../replication/index.ts";
import { count, flag, list, nullable, number, object, oneOf, optional, text, variants, type Check } from "./check.ts";
import { errorRecord, logMessage, type Failed, type Log } from "./messages.ts";
import { repositorySettings, secrets, serverSettings, type RepositorySettings, type Secrets, type ServerSettings } from "./settings.ts";

export interface ProbeStart {
  readonly type: "start";
  readonly title?: string;
  readonly server: ServerSettings;
  readonly repository: RepositorySettings;
  readonly secrets: Secrets;
  readonly certificates: readonly CertificateFile[];
}
export type ToProber = ProbeStart;

export interface Probed {
  readonly type: "probed";
  readonly report: ProbeReport;
}
export type FromProber = Probed | Failed | Log;

export const toProber: Check<ToProber> = variants<"type", ToProber>("type", {
  start: object<ProbeStart>({
    type: () => "start",
    title: optional(text),
    server: serverSettings,
    repository: repositorySettings,
    secrets,
    certificates: list(object<CertificateFile>({ key: text, path: text })),
  }),
});

const alarm = object<Alarm>({ code: text, message: text, hint: text, statement: optional(text) });

const report = object<ProbeReport>({
  at: count,
  failure: nullable(alarm),
  prerequisites: list(object<Prerequisite>({ code: text, ok: flag, severity: oneOf("error", "warning"), message: text, statement: optional(text) })),
  server: nullable(
    object<ServerFindings>({
      regainReplication: text,
      version: count,
      versionText: text,
      systemIdentifier: text,
      timeline: count,
      position: text,
      encrypted: flag,
      inRecovery: nullable(flag),
      checksums: nullable(flag),
      fullPageWrites: nullable(flag),
      replicationRight: nullable(flag),
      slotRestart: nullable(text),
      slotActive: nullable(flag),
      slotRoom: nullable(number),
      diskRoom: nullable(number),
      clockOffset: nullable(number),
      clockUncertainty: number,
      certificateEnds: nullable(number),
    }),
  ),
  certificates: list(object<CertificateFinding>({ key: text, path: text, ends: nullable(number), holds: nullable(number), problem: nullable(text) })),
  keyProblem: nullable(alarm),
});

export const fromProber: Check<FromProber> = variants<"type", FromProber>("type", {
  probed: object<Probed>({ type: () => "probed", report }),
  failed: object<Failed>({ type: () => "failed", error: errorRecord }),
  log: logMessage,
});

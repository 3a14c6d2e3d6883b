/** The page at the end: what the operator has now, how it is used, how it is changed, and what is still complained of. Pure. */
import { formatByteSize } from "../../common/index.ts";
import { numberIn, objectsIn, textIn, timeIn, type JsonObject } from "../../management/index.ts";
import type { PrintedOptions } from "./daemon-place.ts";
import type { BackupFound, Proof } from "./proof.ts";
import type { Speech } from "./speech.ts";

/** One thing that runs by itself. */
export interface Planned {
  readonly kind: string;
  readonly schedule: string;
  /** Milliseconds since 1970. */
  readonly next: number | undefined;
}

/** What `check` does not call good. */
export interface Complaint {
  readonly code: string;
  readonly status: string;
  readonly message: string;
  readonly fix: string | undefined;
  readonly statement: string | undefined;
}

/** What the daemon knows of the moments that can be restored: it has looked for gaps in the WAL. */
export interface RestoreWindow {
  /** From here on every moment can be restored, milliseconds since 1970; undefined where there is no such moment. */
  readonly from: number | undefined;
  /** What `check` says of it. */
  readonly message: string;
}

export interface Report {
  readonly server: string;
  readonly major: number;
  readonly repository: string;
  readonly configuration: string;
  readonly users: string;
  readonly masterKey: string;
  readonly logFile: string;
  /** The valid backups, the oldest first; none with `--no-backup`. */
  readonly backups: readonly BackupFound[];
  readonly proof: Proof | undefined;
  readonly window: RestoreWindow;
  readonly planned: readonly Planned[];
  /** The policy as the daemon has it. */
  readonly retention: string | undefined;
  readonly complaints: readonly Complaint[];
  /** For the commands. */
  readonly client: PrintedOptions;
  /** Directory that restores go to in the examples. */
  readonly restores: string;
  /** `pg_ctl` of that major on this machine; undefined where it is not. */
  readonly pgCtl: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** `2026-11-20 10:41:00 UTC`. */
export const moment = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** A word as a shell takes it. */
export const shellWord = (text: string): string => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

export const commandLine = (words: readonly string[]): string => words.map(shellWord).join(" ");

/** A calendar of days alone is not told from a number otherwise. */
export const retentionText = (policy: string | undefined): string =>
  policy === undefined ? "as the configuration says" : /^\d+$/.test(policy) ? `${policy} days` : policy;

export function plannedIn(response: JsonObject, server: string): Planned[] {
  const found = objectsIn(response, "Servers").find((entry) => textIn(entry, "Server") === server);
  const all = found === undefined ? [] : objectsIn(found, "Schedules");
  // That old backups are looked for every few minutes is no plan of anybody's: the policy has a line of its own.
  return all.filter((entry) => textIn(entry, "Kind") !== "retention").map((entry) => ({
    kind: textIn(entry, "Kind") ?? "",
    schedule: textIn(entry, "Schedule") ?? "",
    next: objectsIn(entry, "Next")
      .map((next) => timeIn(next, "Time"))
      .find((time) => time !== undefined),
  }));
}

export function complaintsIn(response: JsonObject): Complaint[] {
  return objectsIn(response, "Checks")
    .map((entry) => ({
      code: textIn(entry, "Code") ?? "",
      status: textIn(entry, "Status") ?? "",
      message: textIn(entry, "Message") ?? "",
      fix: textIn(entry, "Fix"),
      statement: textIn(entry, "Statement"),
    }))
    .filter(({ status }) => status !== "ok" && status !== "skipped");
}

const plannedText = ({ kind, schedule, next }: Planned): string =>
  `${kind}: ${schedule}${next === undefined ? "" : `, next at ${moment(next)}`}`;

function backupText(backups: readonly BackupFound[]): string {
  const newest = backups.at(-1);
  if (newest === undefined) return "none yet: moneta-cli backup takes one";
  const sizes = `${formatByteSize(newest.restoredBytes)}, stored in ${formatByteSize(newest.storedBytes)}`;
  return `${newest.label}: ${sizes}${backups.length > 1 ? `; ${backups.length} in all` : ""}`;
}

export function proofText(proof: Proof | undefined): string {
  if (proof === undefined) return "none: nothing says yet that a backup of this server restores";
  const when = proof.earlier ? ", before this run" : "";
  if (proof.kind === "drill") {
    const reached = proof.moment === undefined ? "" : `; it had everything up to ${moment(proof.moment)}`;
    return `drill of ${proof.label}${when}: restored, started by PostgreSQL, every table looked at${reached}`;
  }
  return `verification of ${proof.label}${when}: every stored byte was read back and is right. No server was started on it: that is a drill`;
}

/** From the answer of `check`, which came at `now`. */
export function windowIn(response: JsonObject, now: number): RestoreWindow {
  const found = objectsIn(response, "Checks").find((entry) => textIn(entry, "Code") === "WINDOW");
  const figure = objectsIn(response, "Figures").find((entry) => textIn(entry, "Label") === "window");
  const seconds = figure === undefined ? undefined : numberIn(figure, "Value");
  // It is rounded: what is promised begins no earlier than what there is.
  const from = seconds === undefined ? undefined : now - Math.max(0, Number(seconds) - 1) * 1000;
  return { from, message: (found === undefined ? undefined : textIn(found, "Message")) ?? "nothing is known of it" };
}

export const windowText = ({ from, message }: RestoreWindow): string =>
  from === undefined ? message : `every moment from ${moment(Math.ceil(from / 1000) * 1000)} on, up to the last byte received`;

/** The commands that restore: to the last byte received, and to a moment. */
export function restoreCommands({ server, client, restores, backups, now }: Report): string[] {
  const words = (position: readonly string[]): string => commandLine(["moneta-cli", ...client.words, "restore", server, "newest", ...position, restores]);
  // Nothing before the end of the newest backup can be reached from it.
  const example = new Date(Math.max(backups.at(-1)?.endTime ?? now, now)).toISOString().slice(0, 19).replace("T", " ");
  return [words([]), words([`time=${example}+00`])];
}

/** The command that starts what the first of them has restored. */
export function startCommand({ server, backups, restores, pgCtl, major }: Report): string {
  const label = backups.at(-1)?.label ?? "<label>";
  return commandLine([pgCtl ?? `/usr/lib/postgresql/${major}/bin/pg_ctl`, "-D", `${restores}/${server}-${label}`, "-o", "-p 5433 -k /tmp", "-w", "start"]);
}

/** Says all of it. */
export function sayReport(report: Report, speech: Speech): void {
  const { server, client, proof } = report;
  const cli = (...words: string[]): string => commandLine(["moneta-cli", ...client.words, ...words]);
  speech.heading(
    proof === undefined ? `${server} is streamed; no backup of it is proven yet` : proof.kind === "drill" ? `${server} is backed up, and the backup is proven` : `${server} is backed up, and the backup is verified`,
  );
  speech.pairs([
    ["Repository", `${report.repository}/${server}`],
    ["Backup", backupText(report.backups)],
    ["Proof", proofText(proof)],
    ["Restorable", windowText(report.window)],
    ...report.planned.map((planned, at) => [at === 0 ? "Schedule" : "", plannedText(planned)] as const),
    ["Retention", retentionText(report.retention)],
    ["Configuration", report.configuration],
    ["Passwords", report.users],
    ["Log", report.logFile],
    ["Master key", `${report.masterKey}. Keep a copy on another machine: without it nothing that is encrypted can be read again`],
  ]);
  if (client.avoided !== undefined) speech.mark("note", `${client.avoided}: the commands below do not read it (-c /dev/null), and so will yours have to`);
  speech.heading("To restore everything up to the last byte received, or up to a moment of yours");
  speech.copy(restoreCommands(report));
  speech.say("PostgreSQL starts on what the first one restores by");
  speech.copy([startCommand(report)]);
  speech.say("To change when backups are taken and how long they are kept:");
  speech.copy([cli("conf", "set", "--save", "backup", "15 2 * * *"), cli("conf", "set", "--save", "retention", "14")]);
  sayComplaints(report, speech, cli("check", server));
}

function sayComplaints({ complaints }: Report, speech: Speech, command: string): void {
  if (complaints.length === 0) {
    speech.say(`\`${command}\` has nothing to complain of.`);
    return;
  }
  speech.say(`\`${command}\` still complains of:`);
  speech.blank();
  for (const { code, fix, message, statement, status } of complaints) {
    speech.say(`${status.toUpperCase()} ${code}: ${message}.${fix === undefined ? "" : ` ${fix}`}`);
    if (statement !== undefined) speech.copy([statement]);
  }
}

/** The same for programs. */
export function reportFields(report: Report): Readonly<Record<string, unknown>> {
  const { backups, complaints, planned, proof, window } = report;
  return {
    Server: report.server,
    Configuration: report.configuration,
    UsersFile: report.users,
    MasterKey: report.masterKey,
    Repository: report.repository,
    Backup: backups.at(-1)?.label ?? null,
    Proof: proof?.kind ?? null,
    ProvenMoment: proof?.moment === undefined ? null : new Date(proof.moment).toISOString(),
    WindowFrom: window.from === undefined ? null : new Date(window.from).toISOString(),
    Schedules: planned.map(({ kind, schedule, next }) => ({ Kind: kind, Schedule: schedule, Next: next === undefined ? null : new Date(next).toISOString() })),
    Retention: report.retention ?? null,
    Restore: restoreCommands(report)[0],
    Start: startCommand(report),
    Complaints: complaints.map(({ code, status, message, statement }) => ({ Code: code, Status: status, Message: message, Statement: statement ?? null })),
  };
}

/** Major of a status entry; 0 while it is not known. */
export const majorIn = (status: JsonObject): number => Number(numberIn(status, "MajorVersion") ?? 0);

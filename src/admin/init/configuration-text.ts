/** The text of the configuration: a new file with every choice that was made, or one section more in a file that is there. */
import { checkEdited, configErrors, formatProblem, parseIni, setValue, valueIn, type IniDocument } from "../../config/index.ts";
import type { Wanted } from "./request.ts";

type Pairs = readonly (readonly [key: string, value: string])[];

/** The keys of the section of the server. */
export function serverKeys({ host, port, role, slot, tls }: Pick<Wanted, "host" | "port" | "role" | "slot" | "tls">): Pairs {
  return [
    ["host", host],
    ["port", String(port)],
    ["user", role],
    ["wal_slot", slot],
    ["create_slot", "on"],
    ...(tls.caFile === undefined ? [] : [["tls_ca_file", tls.caFile] as const]),
    ...(tls.mode === "prefer" ? [] : [["tls_mode", tls.mode] as const]),
  ];
}

const frame = `# Configuration of Moneta, made by moneta-admin init. Every key: pgmoneta.conf(5).
# After a change: moneta-cli conf reload. What is in force: moneta-cli conf get.

[pgmoneta]
# The address of metrics and remote management, which are off; * stands for all.
host = localhost
# The directory of the management socket.
unix_socket_dir =
# The repository: backups and WAL.
base_dir =

# How backups and WAL are stored. The key is the master key of moneta-admin:
# keep a copy of it on another machine.
compression = zstd
encryption = aes-256-gcm

# When backups are taken by themselves (cron), and how long they are kept:
# days[, weeks[, months[, years]]], window:14d or count:7.
backup =
retention =

# Scratch space of drills.
workspace =

log_type = file
log_path =
`;

/** A new file. Throws `CONFIGURATION_REFUSED` or `CONFIGURATION_UNWRITABLE` for an answer that cannot stand in it. */
export function newConfiguration(file: string, wanted: Wanted, drill: boolean, environment: Readonly<Record<string, string | undefined>>): string {
  const main: Pairs = [
    ["unix_socket_dir", wanted.socketDirectory],
    ["base_dir", wanted.repository],
    ["backup", wanted.schedule ?? ""],
    ["retention", wanted.retention ?? ""],
    ["workspace", wanted.workspace],
    ["log_path", wanted.logFile],
    ...(wanted.masterKey === undefined ? [] : [["master_key_file", wanted.masterKey] as const]),
  ];
  let text = drill ? frame.replace("\n# Scratch", `\n# When the newest backup is restored, started and looked at by itself.\ndrill = ${weeklyDrill}\n# Scratch`) : frame;
  for (const [key, value] of main) text = setValue(file, text, { section: "pgmoneta", key }, value);
  return withServer(file, text, wanted, [], environment);
}

/** Sunday morning. */
export const weeklyDrill = "0 5 * * sun";

/** A file that is there with one section more; everything else stays as it is. */
export function extendedConfiguration(file: string, text: string, wanted: Wanted, environment: Readonly<Record<string, string | undefined>>): string {
  const own: Pairs = [
    ...(wanted.schedule === undefined ? [] : [["backup", wanted.schedule] as const]),
    ...(wanted.retention === undefined ? [] : [["retention", wanted.retention] as const]),
  ];
  return withServer(file, text, wanted, own, environment);
}

function withServer(file: string, text: string, wanted: Wanted, more: Pairs, environment: Readonly<Record<string, string | undefined>>): string {
  const section = wanted.server;
  let edited = text;
  for (const [key, value] of [...serverKeys(wanted), ...more]) edited = setValue(file, edited, { section, key }, value);
  const { own, others } = checkEdited(file, edited, { section }, environment);
  const problems = [...own, ...others];
  if (problems.length > 0) throw configErrors.refused(problems.map(formatProblem).join("; "), { file });
  return edited;
}

/** A value of a section, as text; undefined where the file does not set it. */
export const valueOf = (document: IniDocument | undefined, section: string, key: string): string | undefined =>
  document === undefined ? undefined : valueIn(document, { section, key });

export const hasSection = (document: IniDocument | undefined, name: string): boolean => document?.sections.some((section) => section.name === name) === true;

/** The keys of a section that is there which say something else than what is wanted: `port is 5432, not 5433`. */
export function differences(document: IniDocument, wanted: Wanted): string[] {
  const said = (key: string): string | undefined => valueOf(document, wanted.server, key);
  return serverKeys(wanted)
    .filter(([key]) => key !== "create_slot")
    .filter(([key, value]) => said(key) !== value)
    .map(([key, value]) => `${key} is ${said(key) ?? "not set"}, not ${value}`);
}

/** Why a key cannot have this value; undefined where it can. `expected …`. */
export function problemWith(section: string, key: string, value: string, environment: Readonly<Record<string, string | undefined>>): string | undefined {
  const file = "pgmoneta.conf";
  const text = setValue(file, "", { section, key }, value);
  return checkEdited(file, text, { section, key }, environment).own[0]?.message;
}

/** The document of a text. */
export const readDocument = (file: string, text: string): IniDocument => parseIni(file, text);

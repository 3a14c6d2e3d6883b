/** Rules that concern more than one key: pure, so that a changed configuration can be checked before it is applied. */
import type { CompiledSection } from "./compile-section.ts";
import type { ConfigProblem } from "./configuration.ts";
import type { IniSection } from "./ini-document.ts";
import type { CompressionChoice, RetentionChoice, TlsMode } from "./value-types.ts";

export interface SectionUnderCheck {
  readonly section: IniSection;
  readonly compiled: CompiledSection;
}

/** What is wrong, and what is right but probably not meant. */
export interface Findings {
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

/** Levels that a method has; the default of `compression_level` lies in all of them. */
const levels: Readonly<Record<CompressionChoice["method"], readonly [minimum: number, maximum: number]>> = {
  none: [-131072, 22],
  gzip: [1, 9],
  zstd: [-131072, 22],
  lz4: [1, 12],
  bzip2: [1, 9],
};

/** Locates a message at a key, or at the header of the section when the key is not set there. */
function at(file: string, { section, compiled }: SectionUnderCheck, key: string, message: string): ConfigProblem {
  return { file, line: compiled.entries.get(key)?.line ?? section.line, section: section.name, key, message };
}

function checkCompression(file: string, checked: SectionUnderCheck): Findings {
  const { values, entries } = checked.compiled;
  const choice = values.get("compression") as CompressionChoice | undefined;
  const level = values.get("compression_level") as number | undefined;
  if (choice === undefined || level === undefined) return { problems: [], warnings: [] };
  if (!entries.has("compression") && !entries.has("compression_level")) return { problems: [], warnings: [] };
  const [minimum, maximum] = levels[choice.method];
  if (level < minimum || level > maximum) {
    const message = `expected a level of ${choice.method} from ${minimum} to ${maximum}, found "${level}"`;
    return { problems: [at(file, checked, "compression_level", message)], warnings: [] };
  }
  if (choice.method === "lz4" && choice.where === "client" && entries.has("compression_level")) {
    return {
      problems: [],
      warnings: [at(file, checked, "compression_level", "not active: the lz4 library has no levels")],
    };
  }
  return { problems: [], warnings: [] };
}

/** A calendar without days would not even keep what was taken last; a server can have them from the main section. */
function checkRetention(file: string, checked: SectionUnderCheck): ConfigProblem[] {
  const choice = checked.compiled.values.get("retention") as RetentionChoice | undefined;
  if (choice?.kind !== "calendar" || choice.days !== undefined) return [];
  return [at(file, checked, "retention", "expected at least 1 day in the first field")];
}

/** Rules of the section `[pgmoneta]`. */
export function checkMain(file: string, checked: SectionUnderCheck): Findings {
  const { problems, warnings } = checkCompression(file, checked);
  const found = [...problems];
  found.push(...checkRetention(file, checked));
  for (const prefix of ["tls", "metrics"]) found.push(...checkCertificatePair(file, checked, prefix));
  found.push(...checkMetricsAuthority(file, checked));
  for (const prefix of ["tls", "metrics"]) found.push(...checkRevocations(file, checked, prefix));
  found.push(...checkRemoteManagement(file, checked));
  return { problems: found, warnings };
}

/** Where remote management is on: TLS needs its files, and what must not go in clear text needs TLS. */
function checkRemoteManagement(file: string, checked: SectionUnderCheck): ConfigProblem[] {
  const { values } = checked.compiled;
  if ((values.get("management") ?? 0) === 0) return [];
  if (values.get("tls") === true) {
    if (values.get("tls_cert_file") !== undefined) return [];
    return [at(file, checked, "tls", "expected tls_cert_file and tls_key_file as well, because remote management is to offer TLS")];
  }
  if (values.get("tls_required") !== true) return [];
  const host = String(values.get("host"));
  const message = `expected tls = on with tls_cert_file and tls_key_file, because others than this machine can reach "${host}"; tls_required = off would let passwords and commands go in clear text`;
  return [at(file, checked, checked.compiled.entries.has("tls_required") ? "tls_required" : "management", message)];
}

/** A certificate is of no use without its key, and the reverse. */
function checkCertificatePair(file: string, checked: SectionUnderCheck, prefix: string): ConfigProblem[] {
  const { values } = checked.compiled;
  const has = (key: string): boolean => values.get(`${prefix}_${key}`) !== undefined;
  if (has("cert_file") === has("key_file")) return [];
  const [present, missing] = has("cert_file") ? ["cert_file", "key_file"] : ["key_file", "cert_file"];
  return [
    at(
      file,
      checked,
      `${prefix}_${present}`,
      `expected ${prefix}_${missing} as well, because a certificate and its key belong together`,
    ),
  ];
}

/** Who asks for certificates of clients does not want to be answered in clear text. */
function checkMetricsAuthority(file: string, checked: SectionUnderCheck): ConfigProblem[] {
  const { values } = checked.compiled;
  if (values.get("metrics_ca_file") === undefined || values.get("metrics_cert_file") !== undefined) return [];
  return [at(file, checked, "metrics_ca_file", "expected metrics_cert_file and metrics_key_file as well, because clients can be checked only over TLS")];
}

/** A list of revoked certificates is one of an authority. */
function checkRevocations(file: string, checked: SectionUnderCheck, prefix: string, why = "no certificate is asked for"): ConfigProblem[] {
  const { values } = checked.compiled;
  if (values.get(`${prefix}_crl_file`) === undefined || values.get(`${prefix}_ca_file`) !== undefined) return [];
  return [at(file, checked, `${prefix}_crl_file`, `expected ${prefix}_ca_file as well, because without it ${why}`)];
}

/** The text of a name that becomes a directory, a word of a command and a part of a key. */
function nameProblem(name: string): string | undefined {
  if (name === "all" || name === "pgmoneta") return `expected another name than ${name}, which is reserved`;
  if (Buffer.byteLength(name) > 200) return "expected a name of at most 200 bytes, because it becomes a directory";
  if (name.startsWith(".") || name.startsWith("-") || /[/\p{Cc}\s]/u.test(name)) {
    return "expected a name without /, white space and control characters that does not begin with . or -, because it becomes a directory";
  }
  return undefined;
}

/** Rules of the section of one server. */
export function checkServer(file: string, checked: SectionUnderCheck): Findings {
  const { section, compiled } = checked;
  const { values } = compiled;
  const { problems, warnings } = checkCompression(file, checked);
  const found = [...problems];
  const name = nameProblem(section.name);
  if (name !== undefined)
    found.push({ file, line: section.line, section: section.name, key: undefined, message: name });
  if (compiled.entries.has("retention")) found.push(...checkRetention(file, checked));
  found.push(...checkCertificatePair(file, checked, "tls"), ...checkRevocations(file, checked, "tls", "nobody asks who the server is"));
  const mode = values.get("tls_mode") as TlsMode | undefined;
  if (values.get("tls_ca_file") !== undefined && mode !== undefined && mode !== "verify-full") {
    found.push(at(file, checked, "tls_mode", `expected verify-full, because tls_ca_file is set, found "${mode}"`));
  }
  if (values.get("tls_cert_file") !== undefined && mode === "disable") {
    found.push(
      at(file, checked, "tls_mode", `expected a mode with TLS, because tls_cert_file is set, found "${mode}"`),
    );
  }
  return { problems: found, warnings };
}

/** Rules between servers: two receivers cannot share a slot, each would miss what the other one takes. */
export function checkServers(file: string, servers: readonly SectionUnderCheck[]): ConfigProblem[] {
  if (servers.length === 0) {
    const message = "expected at least one section of a PostgreSQL server with host, port, user and wal_slot";
    return [{ file, line: undefined, section: undefined, key: undefined, message }];
  }
  const problems: ConfigProblem[] = [];
  const owners = new Map<string, string>();
  for (const server of servers) {
    const { values } = server.compiled;
    const identity = ["host", "port", "wal_slot"].map((key) => values.get(key));
    if (identity.includes(undefined)) continue;
    const owner = owners.get(identity.join("\n"));
    if (owner === undefined) owners.set(identity.join("\n"), server.section.name);
    else
      problems.push(
        at(
          file,
          server,
          "wal_slot",
          `expected a slot of its own, but [${owner}] uses the same one of the same host and port`,
        ),
      );
  }
  return problems;
}

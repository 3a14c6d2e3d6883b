/**
 * The configuration as pgmoneta's documents have it: the keys of `[pgmoneta]` in the response itself, those of servers in `server`. Words,
 * durations and sizes come with their text and the number that pgmoneta has for them. Keys of ours are added.
 */
import type { JsonObject, JsonValue } from "./json.ts";

/** One key as it may be shown. */
export interface ShownValue {
  /** Name of the type in the manual: int, bool, enum, duration, bytes, … */
  readonly kind: string;
  /** As the file would have it; null where there is none. */
  readonly text: string | null;
  readonly value: unknown;
}

export interface ShownConfiguration {
  readonly main: Readonly<Record<string, ShownValue>>;
  readonly servers: ReadonlyMap<string, Readonly<Record<string, ShownValue>>>;
}

export interface ConfigurationPaths {
  readonly main: string;
  readonly users: string | undefined;
  readonly admins: string | undefined;
}

/** `conf ls`. */
export function configurationPathsResponse({ admins, main, users }: ConfigurationPaths): JsonObject {
  return {
    admin_configuration_path: admins ?? null,
    main_configuration_path: main,
    users_configuration_path: users ?? null,
  };
}

/** pgmoneta's numbers for its words, by key. */
const codes: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  log_type: { console: 0, file: 1, syslog: 2 },
  log_level: { trace: 1, debug: 2, info: 3, warn: 4, error: 5, fatal: 6 },
  log_mode: { create: 0, append: 1 },
  hugepage: { off: 0, try: 1, on: 2 },
  direct_io: { off: 0, auto: 1, on: 2 },
  update_process_title: { never: 0, strict: 1, minimal: 2, verbose: 3 },
  encryption: { none: 0, "aes-256-gcm": 1, "aes-192-gcm": 2, "aes-128-gcm": 3 },
  compression: {
    none: 0,
    gzip: 0x11,
    zstd: 0x12,
    lz4: 0x13,
    bz2: 0x14,
    bzip2: 0x14,
    "client-gzip": 0x11,
    "client-zstd": 0x12,
    "client-lz4": 0x13,
    "client-bz2": 0x14,
    "server-gzip": 0x21,
    "server-zstd": 0x22,
    "server-lz4": 0x23,
  },
  storage_engine: { local: 1 },
};

function valueOf(key: string, { kind, text, value }: ShownValue): JsonValue {
  if (text === null) return null;
  if (kind === "int" && typeof value === "number") return value;
  if (kind === "bool" && typeof value === "boolean") return value;
  if ((kind === "duration" || kind === "bytes") && typeof value === "number") return { string_value: text, value };
  const code = codes[key]?.[text];
  return code === undefined ? text : { string_value: text, value: code };
}

const section = (values: Readonly<Record<string, ShownValue>>): JsonObject =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, valueOf(key, value)]));

/** `conf get` of everything. */
export function configurationResponse({ main, servers }: ShownConfiguration, paths: ConfigurationPaths): JsonObject {
  return {
    ...configurationPathsResponse(paths),
    ...section(main),
    server: Object.fromEntries([...servers].map(([name, values]) => [name, section(values)])),
  };
}

/** What of that a key or section is; null where the document has no such thing, as that of another version may not. */
export function selectConfiguration(document: JsonObject, { section: name, key }: { readonly section: string; readonly key?: string | undefined }): JsonObject | null {
  const { server, ServerVersion, ...main } = document;
  const version: JsonObject = ServerVersion === undefined ? {} : { ServerVersion };
  const of = name === "pgmoneta" ? main : typeof server === "object" && server !== null && !Array.isArray(server) ? (server as JsonObject)[name] : undefined;
  if (typeof of !== "object" || of === null || Array.isArray(of)) return null;
  const values = of as JsonObject;
  if (key !== undefined && values[key] === undefined) return null;
  const chosen: JsonObject = key === undefined ? values : { [key]: values[key] ?? null };
  return name === "pgmoneta" ? { ...chosen, ...version } : { server: { [name]: chosen }, ...version };
}

/** A change of one key. */
export interface ShownChange {
  readonly section: string;
  readonly key: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** As commands name it. */
export const keyName = ({ key, section: name }: Pick<ShownChange, "section" | "key">): string => (name === "pgmoneta" ? key : `server.${name}.${key}`);

export interface ShownReload {
  readonly changed: readonly ShownChange[];
  readonly needRestart: readonly ShownChange[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly effects: readonly string[];
  readonly warnings: readonly string[];
}

/** `conf reload`. Ours: everything but Restart. */
export function reloadResponse({ added, changed, effects, needRestart, removed, warnings }: ShownReload): JsonObject {
  return {
    Restart: needRestart.length > 0,
    Changed: changed.map((change) => ({ Key: keyName(change), Old: change.before, New: change.after })),
    RestartRequired: needRestart.map((change) => ({ Key: keyName(change), Current: change.before, Requested: change.after })),
    ServersAdded: added,
    ServersRemoved: removed,
    Effects: effects,
    Warnings: warnings,
  };
}

export interface ShownSet {
  readonly key: string;
  readonly before: string | null;
  readonly after: string | null;
  readonly needsRestart: boolean;
  readonly saved: string | undefined;
  readonly effects: readonly string[];
}

/** `conf set`. Ours: saved, file, Effects. */
export function configurationSetResponse({ after, before, effects, key, needsRestart, saved }: ShownSet): JsonObject {
  const common = { config_key: key, saved: saved !== undefined, file: saved ?? null, Effects: effects };
  if (needsRestart) {
    return {
      ...common,
      status: "success_restart_required",
      message: "Configuration change requires restart. Current values preserved.",
      current_value: before,
      requested_value: after,
      restart_required: true,
    };
  }
  return {
    ...common,
    status: "success",
    message: "Configuration change applied successfully",
    old_value: before,
    new_value: after,
    restart_required: false,
  };
}

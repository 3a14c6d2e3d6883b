/**
 * `--format json`: pgmoneta's documents with its client's translations (sizes and names for people, everything else
 * as it is). Unlike that client it looks at what a value is: the name of a WAL segment is not printed as a size, and
 * no key is invented that the daemon did not send.
 */
import { commandByNumber, commandTable, isDecimal, isJsonObject } from "../management/index.ts";
import type { JsonObject, JsonValue } from "../management/index.ts";

const sizes = new Set([
  "BackupSize",
  "OwnSize",
  "SharedSize",
  "FreedSize",
  "RestoreSize",
  "BiggestFileSize",
  "WAL",
  "WALSize",
  "Delta",
  "TotalSpace",
  "FreeSpace",
  "UsedSpace",
  "ServerSize",
  "WorkspaceFreeSpace",
  "HotStandbySize",
  "LagBytes",
]);
const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"] as const;

/** `4.09MB`: pgmoneta's form, powers of 1024 with two decimals. */
export function translateSize(bytes: number | bigint): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(2)}${units[unit]}`;
}

const methods = ["none", "gzip", "zstd", "lz4", "bzip2"] as const;
const ciphers = ["none", "aes-256-gcm", "aes-192-gcm", "aes-128-gcm"] as const;
const outputs = ["text", "json", "raw"] as const;

/** Name of a compression code of a backup or frame; codes of the server's side are named so. */
export function compressionName(code: number): string {
  const method = methods[code & 0xf];
  if (method === undefined) return String(code);
  return (code & 0x20) === 0 ? method : `server-${method}`;
}

/** Name of an encryption code. */
export const encryptionName = (code: number): string => ciphers[code] ?? String(code);

const validity: Readonly<Record<string, string>> = { "0": "no", "1": "yes" };

function translateNumber(key: string, value: number | bigint): JsonValue {
  if (sizes.has(key)) return translateSize(value);
  if (key.endsWith("HiLSN") || key.endsWith("LoLSN")) return value.toString(16).toUpperCase();
  if (key === "Valid") return validity[String(value)] ?? "unknown";
  if (key === "Compression") return compressionName(Number(value));
  if (key === "Encryption") return encryptionName(Number(value));
  if (key.startsWith("Retention") && value < 0) return "Unspecified";
  return value;
}

function translateValue(key: string, value: JsonValue): JsonValue {
  if (typeof value === "number" || typeof value === "bigint") return translateNumber(key, value);
  if (typeof value !== "object" || value === null || isDecimal(value)) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((item) => translateValue("", item));
  return translateObject(value as JsonObject);
}

const translateObject = (object: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, translateValue(key, value)]));

function translateHeader(header: JsonObject): JsonObject {
  const number = typeof header.Command === "number" ? header.Command : -1;
  const command = commandByNumber(number);
  const output = typeof header.Output === "number" ? outputs[header.Output] : undefined;
  return {
    ...translateObject(header),
    Command: command === undefined ? (header.Command ?? null) : commandTable[command].wireName,
    Output: output ?? header.Output ?? null,
  };
}

/** The whole document; Request and Outcome stay as they are. */
export function translateDocument(document: JsonObject): JsonObject {
  const { Header, Response } = document;
  return {
    ...document,
    ...(isJsonObject(Header) ? { Header: translateHeader(Header) } : {}),
    ...(isJsonObject(Response) ? { Response: translateObject(Response) } : {}),
  };
}

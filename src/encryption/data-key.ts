/**
 * Data keys: random, one in use per server, known by an id that every encrypted file carries. They are stored
 * wrapped by the master key, so that a new master key rewraps a few lines and rewrites no backup. A master key that was
 * replaced is kept in the same way, for what was sealed with it directly, as pgmoneta does.
 */
import { randomBytes } from "node:crypto";
import type { MonetaError } from "../common/index.ts";
import { encryptionErrors } from "./errors.ts";
import { MATERIAL_LENGTH, type MasterKey, openMessage, sealMessage } from "./master-key.ts";

const ID_LENGTH = 16;
const SECRET_LENGTH = 32;
/** While a master key is rotated a file has two lines; more of them is no file of ours. */
const MOST_LINES = 4;

/** What can be wrapped: the word before the id, what it is called, the bytes of its secret. */
const kinds = {
  dataKey: { word: "v1", name: "data key", length: SECRET_LENGTH },
  formerMaster: { word: "m1", name: "former master key", length: MATERIAL_LENGTH },
} as const;
type Kind = keyof typeof kinds;

export interface DataKey {
  /** 32 lower-case hexadecimal digits. Not secret. */
  readonly id: string;
  /** 32 bytes; never logged, never stored unwrapped. */
  readonly secret: Buffer;
}

/** Finds data keys by their id; what pgmoneta encrypted is opened with a master key itself. */
export interface KeyRing {
  (id: string): DataKey | undefined;
  readonly master?: MasterKey | undefined;
  /** Master keys that were replaced, newest first as far as that is known. */
  readonly formerMasters?: readonly MasterKey[];
}

/** A fresh data key from the system's random source. */
export function createDataKey(): DataKey {
  return { id: createKeyId(), secret: randomBytes(SECRET_LENGTH) };
}

/** A random id for something that is to be wrapped. */
export function createKeyId(): string {
  return randomBytes(ID_LENGTH).toString("hex");
}

function wrap(kind: Kind, masterKey: MasterKey, id: string, secret: Buffer): string {
  const sealed = sealMessage(masterKey, "aes-256-gcm", Buffer.concat([Buffer.from(id, "hex"), secret]));
  return `${kinds[kind].word}:${id}:${sealed.toString("base64")}`;
}

/** One line of text, `v1:<id>:<base64>`: id and secret sealed together with AES-256-GCM under the master key. */
export function wrapDataKey(masterKey: MasterKey, key: DataKey): string {
  return wrap("dataKey", masterKey, key.id, key.secret);
}

/** The same for a master key that was replaced, `m1:<id>:<base64>`; `id` is random. */
export function wrapFormerMaster(masterKey: MasterKey, id: string, former: MasterKey): string {
  return wrap("formerMaster", masterKey, id, former.material);
}

interface WrappedLine {
  readonly line: string;
  readonly id: string;
  readonly sealed: Buffer;
}

/** The lines of a file with a wrapped secret, all of one id. @throws ENCRYPTION_MALFORMED */
function linesOf(kind: Kind, text: string): readonly WrappedLine[] {
  const { word, name } = kinds[kind];
  const lines = text.trim().split(/\r?\n/).map((line): WrappedLine => {
    const [, found, id, sealed] = /^(\w+):([0-9a-f]{32}):([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
    if (found !== word || id === undefined || sealed === undefined)
      throw encryptionErrors.malformed(`wrapped ${name} is not of the form ${word}:id:base64`);
    return { line, id, sealed: Buffer.from(sealed, "base64") };
  });
  if (lines.length > MOST_LINES || lines.some(({ id }) => id !== lines[0]?.id))
    throw encryptionErrors.malformed(`wrapped ${name} has lines that do not belong together`);
  return lines;
}

/** The secret of one line. @throws ENCRYPTION_MALFORMED, ENCRYPTION_NOT_AUTHENTIC */
function open(kind: Kind, masterKey: MasterKey, { id, sealed }: WrappedLine): Buffer {
  const { name, length } = kinds[kind];
  let plain: Buffer;
  try {
    plain = openMessage(masterKey, "aes-256-gcm", sealed);
  } catch (error) {
    if (!encryptionErrors.notAuthentic.is(error)) throw error;
    throw encryptionErrors.notAuthentic(
      `${name} ${id} was not wrapped by this master key, or was changed`,
      { id },
      error,
    );
  }
  // The id travels inside as well, so that two lines cannot swap their names.
  if (plain.length !== ID_LENGTH + length || plain.subarray(0, ID_LENGTH).toString("hex") !== id) {
    throw encryptionErrors.notAuthentic(`wrapped ${name} ${id} holds another key`, { id });
  }
  return plain.subarray(ID_LENGTH);
}

/** What the first line holds that one of the master keys opens. @throws what the first failure was */
function unwrap(kind: Kind, masterKeys: readonly MasterKey[], text: string): { readonly id: string; readonly secret: Buffer } {
  let failure: { readonly error: unknown } | undefined;
  for (const line of linesOf(kind, text)) {
    for (const masterKey of masterKeys) {
      try {
        return { id: line.id, secret: open(kind, masterKey, line) };
      } catch (error) {
        failure ??= { error };
      }
    }
  }
  if (failure !== undefined) throw failure.error;
  throw encryptionErrors.notAuthentic(`there is no master key to open a wrapped ${kinds[kind].name} with`);
}

const listOf = (keys: MasterKey | readonly MasterKey[]): readonly MasterKey[] => ("material" in keys ? [keys] : keys);

/**
 * The data key of a text that `wrapDataKey` made, one line or, while the master key is rotated, one for each of two.
 * @throws ENCRYPTION_MALFORMED, or ENCRYPTION_NOT_AUTHENTIC when the master key is another one
 */
export function unwrapDataKey(masterKeys: MasterKey | readonly MasterKey[], text: string): DataKey {
  return unwrap("dataKey", listOf(masterKeys), text);
}

/** The master key of a text that `wrapFormerMaster` made. Throws as `unwrapDataKey` does. */
export function unwrapFormerMaster(masterKeys: MasterKey | readonly MasterKey[], text: string): MasterKey {
  return { material: unwrap("formerMaster", listOf(masterKeys), text).secret };
}

/**
 * The text of a wrapped secret, of either kind, with one line for each of `wanted`, opened by any of `known`. Lines that
 * are there already stay as they are. Throws as `unwrapDataKey` does.
 */
export function rewrap(text: string, known: readonly MasterKey[], wanted: readonly MasterKey[]): string {
  const kind: Kind = text.startsWith(kinds.formerMaster.word) ? "formerMaster" : "dataKey";
  const lines = linesOf(kind, text);
  const { id, secret } = unwrap(kind, known, text);
  const lineFor = (masterKey: MasterKey): string =>
    lines.find((line) => isOpenedBy(kind, masterKey, line))?.line ?? wrap(kind, masterKey, id, secret);
  return wanted.map((masterKey) => `${lineFor(masterKey)}\n`).join("");
}

function isOpenedBy(kind: Kind, masterKey: MasterKey, line: WrappedLine): boolean {
  try {
    open(kind, masterKey, line);
    return true;
  } catch (error) {
    if (encryptionErrors.notAuthentic.is(error)) return false;
    throw error;
  }
}

/** True for what says that bytes and key do not belong together, or are not of this form. */
export function isWrongKey(error: unknown): error is MonetaError {
  return encryptionErrors.notAuthentic.is(error) || encryptionErrors.malformed.is(error);
}

/**
 * backup_manifest, the server's own list of what a base backup holds (PostgreSQL manual, "Backup Manifest Format"),
 * read in pieces: the memory needed is that of one line, plus a few bytes a file to notice a file that comes twice.
 * Version 1 is that of PostgreSQL 13 to 16; version 2 adds the system identifier.
 */
import { printablePath } from "./file-path.ts";
import type { JsonReceiver } from "./json-tokens.ts";
import { createJsonTokenReader } from "./json-tokens.ts";
import { createManifestDigest } from "./manifest-digest.ts";
import type { ManifestFields, ManifestFile } from "./manifest-fields.ts";
import {
  manifestError as refuse,
  manifestFileFields,
  manifestFileOf,
  manifestRangeFields,
  manifestRangeOf,
  unsignedOf,
} from "./manifest-fields.ts";
import { createPathFingerprints } from "./path-fingerprints.ts";
import type { WalRange } from "./wal-range.ts";

/** What the manifest says beside its files. */
export interface ManifestSummary {
  readonly version: number;
  /** False for a version newer than 2, whose additional fields were passed over. */
  readonly known: boolean;
  /** Decimal; from version 2 on. */
  readonly systemIdentifier?: string;
  /** The WAL that recovery of this backup needs, at least one stretch. */
  readonly walRanges: readonly WalRange[];
  readonly fileCount: number;
  /** Sum of all sizes, bytes. */
  readonly totalSize: number;
  /** The SHA-256 that the manifest ends with, found right. */
  readonly manifestChecksum: string;
}

/** Reads a manifest that arrives in pieces. */
export interface ManifestReader {
  /** Reads a piece, which is not kept. Throws BACKUP_MANIFEST_DAMAGED or FILE_PATH_REFUSED. */
  write(piece: Uint8Array): void;
  /** Call at the end of the data. Only after it has returned may the files that were handed out be believed. */
  finish(): ManifestSummary;
}

const newestVersion = 2;
const limits = { textBytes: 64 * 1024, depth: 16 };
const topFields = [
  "PostgreSQL-Backup-Manifest-Version",
  "System-Identifier",
  "Files",
  "WAL-Ranges",
  "Manifest-Checksum",
];

/** A reader that calls `onFile` for each file, in the order of the manifest. */
export function createManifestReader(onFile: (file: ManifestFile) => void): ManifestReader {
  const digest = createManifestDigest();
  const paths = createPathFingerprints();
  const seen = new Set<string>();
  const walRanges: WalRange[] = [];
  let version = 0;
  let systemIdentifier: string | undefined;
  let manifestChecksum: string | undefined;
  let totalSize = 0;

  /** Where we are: -1 outside, 0 in the document, 1 in a list, 2 in a file or range; below `skipping` nothing counts. */
  let depth = -1;
  let skipping: number | undefined;
  let topField = "";
  let field = "";
  let fields: ManifestFields = new Map();

  const known = () => version <= newestVersion;

  function topKey(name: string): void {
    if (seen.has(name)) throw refuse(`the field ${name} comes twice`);
    if (seen.size === 0 && name !== topFields[0]) throw refuse("it does not begin with its version");
    if (seen.has("Manifest-Checksum")) throw refuse("something follows its checksum");
    seen.add(name);
    topField = name;
    if (!topFields.includes(name) && known()) throw refuse(`the field ${JSON.stringify(name)} is unknown`);
  }

  function innerKey(name: string): void {
    const allowed = topField === "Files" ? manifestFileFields : manifestRangeFields;
    if (!allowed.includes(name) && known()) throw refuse(`the field ${JSON.stringify(name)} is unknown`);
    if (fields.has(name)) throw refuse(`the field ${name} comes twice`);
    field = name;
  }

  function entryDone(): void {
    if (topField === "WAL-Ranges") {
      if (walRanges.length >= 10_000) throw refuse("it has too many stretches of WAL");
      walRanges.push(manifestRangeOf(fields));
      return;
    }
    const { file, pathBytes } = manifestFileOf(fields);
    if (!paths.add(pathBytes)) throw refuse(`the file ${printablePath(file.path)} comes twice`);
    totalSize += file.size;
    onFile(file);
  }

  function topValue(value: { text?: string; number?: string }): void {
    if (topField === topFields[0]) {
      version = unsignedOf(value.number ?? "", "the version");
      if (version < 1) throw refuse("version 0 does not exist");
    } else if (topField === "System-Identifier") {
      if (version === 1 || !/^[0-9]{1,20}$/.test(value.number ?? ""))
        throw refuse("the system identifier has a wrong form");
      systemIdentifier = value.number;
    } else if (topField === "Manifest-Checksum") {
      if (!/^[0-9A-Fa-f]{64}$/.test(value.text ?? "")) throw refuse("its checksum has a wrong form");
      manifestChecksum = value.text?.toLowerCase();
    } else if (topFields.includes(topField)) {
      throw refuse(`${topField} is not a list`);
    }
  }

  function value(found: { text?: string; number?: string }): void {
    if (skipping !== undefined) return;
    if (depth === 0) topValue(found);
    else if (depth === 2) fields.set(field, found);
    else throw refuse("a value stands where it cannot be");
  }

  const receiver: JsonReceiver = {
    begin(kind) {
      depth += 1;
      if (skipping !== undefined) return;
      const isList = topField === "Files" || topField === "WAL-Ranges";
      const expected = depth === 0 || (depth === 2 && isList) ? "object" : depth === 1 && isList ? "array" : undefined;
      if (kind === expected) fields = new Map();
      else if (version > newestVersion && (depth === 1 ? !topFields.includes(topField) : depth === 3)) skipping = depth;
      else throw refuse("its structure is not that of a manifest");
    },
    end() {
      if (skipping === undefined && depth === 2) entryDone();
      if (skipping === depth) skipping = undefined;
      depth -= 1;
    },
    key(name) {
      if (skipping !== undefined) return;
      if (depth === 0) topKey(name);
      else innerKey(name);
    },
    text: (text) => {
      value({ text });
    },
    number: (number) => {
      value({ number });
    },
    literal: () => {
      value({});
    },
  };
  const tokens = createJsonTokenReader(receiver, limits, refuse);

  return {
    write(piece) {
      digest.write(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
      tokens.write(piece);
    },
    finish() {
      tokens.finish();
      const actual = digest.finish();
      for (const name of ["Files", "WAL-Ranges", "Manifest-Checksum"]) {
        if (!seen.has(name)) throw refuse(`the field ${name} is missing`);
      }
      if (version === 2 && systemIdentifier === undefined) throw refuse("the system identifier is missing");
      if (walRanges.length === 0) throw refuse("no WAL is named that recovery needs");
      if (manifestChecksum !== actual) {
        throw refuse(`its checksum is ${manifestChecksum ?? "missing"}, but its content has ${actual}`);
      }
      const identifier = systemIdentifier === undefined ? {} : { systemIdentifier };
      return { version, known: known(), ...identifier, walRanges, fileCount: paths.size, totalSize, manifestChecksum };
    },
  };
}

/**
 * Reads a whole manifest, calling `onFile` for each file. The files may be believed only when the promise is
 * fulfilled: only then is the checksum known to match. Fails with BACKUP_MANIFEST_DAMAGED (cut off, damaged, a file
 * twice, not a manifest) or FILE_PATH_REFUSED (a path that leads out of the backup).
 */
export async function readBackupManifest(
  source: AsyncIterable<Uint8Array>,
  onFile: (file: ManifestFile) => void,
): Promise<ManifestSummary> {
  const reader = createManifestReader(onFile);
  for await (const piece of source) reader.write(piece);
  return reader.finish();
}

import { pathFromBytes } from "../postgres/index.ts";
import { replicationErrors } from "./errors.ts";

/** A row of the tablespace result; the data directory itself has neither oid nor location. */
export interface Tablespace {
  readonly oid: number | undefined;
  /** Directory on the server; bytes that are no UTF-8 as `pathFromBytes` writes them. */
  readonly location: string | undefined;
  /** The server's estimate in bytes, in steps of 1024. */
  readonly size: number | undefined;
}

/** What a base backup consists of, whichever way the server sends it. */
export interface BaseBackupParts {
  archive(name: string, tablespaceOid: number | undefined): void;
  archiveData(piece: Buffer): void;
  archiveEnd(): void;
  manifestData(piece: Buffer): void;
  manifestEnd(): void;
  progress(bytes: number): void;
}

/** Takes the COPY streams of a base backup apart. */
export interface BaseBackupDecoder {
  copyBegin(index: number, tablespaces: readonly Tablespace[]): void;
  messageStart(): void;
  piece(piece: Buffer): void;
  messageEnd(): void;
  copyEnd(): void;
}

/** 13 and 14: one COPY per row of the tablespace result, in its order, and one more for the manifest. */
export function createMultipleCopiesDecoder(parts: BaseBackupParts): BaseBackupDecoder {
  let inManifest = false;
  let received = 0;
  return {
    copyBegin(index, tablespaces) {
      if (index > tablespaces.length) throw replicationErrors.protocol("server sends more archives than tablespaces");
      inManifest = index === tablespaces.length;
      if (inManifest) return;
      const oid = tablespaces[index]?.oid;
      parts.archive(oid === undefined ? "base.tar" : `${oid}.tar`, oid);
    },
    messageStart: () => undefined,
    piece(piece) {
      if (inManifest) {
        parts.manifestData(piece);
        return;
      }
      parts.archiveData(piece);
      received += piece.length;
    },
    messageEnd() {
      if (!inManifest) parts.progress(received);
    },
    copyEnd() {
      if (inManifest) parts.manifestEnd();
      else parts.archiveEnd();
    },
  };
}

/** Names of archives and paths of tablespaces; the longest path of PostgreSQL has 1 kB. */
const maximumHeader = 16 * 1024;

/**
 * 15 and later: one COPY whose messages begin with a type byte: `n` archive name and tablespace path, `m` the
 * manifest begins, `d` bytes of either, `p` bytes done (PostgreSQL manual, "Streaming Replication Protocol").
 */
export function createSingleCopyDecoder(parts: BaseBackupParts): BaseBackupDecoder {
  let type = 0;
  let header: Buffer[] = [];
  let headerLength = 0;
  let open: "nothing" | "archive" | "manifest" = "nothing";

  const closeOpen = (): void => {
    if (open === "archive") parts.archiveEnd();
    if (open === "manifest") parts.manifestEnd();
    open = "nothing";
  };
  const complete: Readonly<Record<string, (body: Buffer) => void>> = {
    n(body) {
      if (open === "manifest") throw replicationErrors.protocol("archive after the manifest");
      closeOpen();
      open = "archive";
      const [name] = splitStrings(body);
      parts.archive(name, tablespaceOf(name));
    },
    m() {
      if (open === "manifest") throw replicationErrors.protocol("second manifest");
      closeOpen();
      open = "manifest";
    },
    d: () => undefined,
    p(body) {
      if (body.length !== 8) throw replicationErrors.protocol("progress message of a wrong length");
      parts.progress(Number(body.readBigInt64BE(0)));
    },
  };

  return {
    copyBegin(index) {
      if (index > 0) throw replicationErrors.protocol("second COPY in a base backup");
    },
    messageStart() {
      type = 0;
      header = [];
      headerLength = 0;
    },
    piece(piece) {
      let body = piece;
      if (type === 0) {
        type = piece[0] ?? 0;
        body = piece.subarray(1);
        if (!Object.hasOwn(complete, String.fromCharCode(type))) {
          throw replicationErrors.protocol(`message of type 0x${type.toString(16)} in a base backup`);
        }
      }
      if (body.length === 0) return;
      if (type === 0x64) {
        if (open === "nothing") throw replicationErrors.protocol("data before an archive was named");
        if (open === "archive") parts.archiveData(body);
        else parts.manifestData(body);
        return;
      }
      headerLength += body.length;
      if (headerLength > maximumHeader) throw replicationErrors.protocol("header of an archive is too long");
      header.push(Buffer.from(body));
    },
    messageEnd() {
      complete[String.fromCharCode(type)]?.(Buffer.concat(header));
      if (type === 0) throw replicationErrors.protocol("empty message in a base backup");
    },
    copyEnd() {
      closeOpen();
    },
  };
}

/** Two strings, each ended by a zero byte: the archive's name and the tablespace's directory (empty for the main one). */
function splitStrings(body: Buffer): [string, string] {
  const end = body.indexOf(0);
  if (end < 1 || body.indexOf(0, end + 1) !== body.length - 1) throw replicationErrors.protocol("header of an archive is malformed");
  return [body.toString("latin1", 0, end), pathFromBytes(body.subarray(end + 1, -1))];
}

/** `base.tar` is the main directory, `<oid>.tar` a tablespace, each with the suffix of the server's compression. */
function tablespaceOf(name: string): number | undefined {
  const match = /^(?:base|([0-9]{1,10}))\.tar(?:\.gz|\.lz4|\.zst)?$/.exec(name);
  if (match === null) throw replicationErrors.protocol(`archive with the unknown name ${JSON.stringify(name)}`);
  return match[1] === undefined ? undefined : Number(match[1]);
}

import type { MonetaError } from "../common/index.ts";
import { parseLsn, timelineId, versionTraits, type Lsn, type TimelineId } from "../postgres/index.ts";
import { baseBackupCommand, type BaseBackupOptions } from "./base-backup-command.ts";
import { createMultipleCopiesDecoder, createSingleCopyDecoder, type BaseBackupParts, type Tablespace } from "./base-backup-decoder.ts";
import type { Connection } from "./connection.ts";
import type { FlowControl } from "./copy-out.ts";
import { replicationErrors, sqlStateOf } from "./errors.ts";
import type { QueryResult } from "./query.ts";

/**
 * Receives a base backup, in this order: start, tablespaces, then each archive with its data and end, then the
 * manifest. Pieces are valid during the call only. Whatever a callback throws ends the backup with that error.
 */
export interface BaseBackupHandler {
  /** The checkpoint is done. `flow` holds the socket when the handler cannot keep up. */
  onStart(lsn: Lsn, timeline: TimelineId, flow: FlowControl): void;
  onTablespaces(tablespaces: readonly Tablespace[]): void;
  /** `base.tar` or `<oid>.tar`, with `.gz`, `.lz4` or `.zst` when the server compresses. */
  onArchive(name: string, tablespaceOid: number | undefined): void;
  onArchiveData(piece: Buffer): void;
  onArchiveEnd(): void;
  onManifestData(piece: Buffer): void;
  /** Bytes of the archives, before compression, that the server has sent so far. */
  onProgress?(bytes: number): void;
}

export interface BackupPosition {
  readonly lsn: Lsn;
  readonly timeline: TimelineId;
}

export interface BaseBackupResult {
  readonly start: BackupPosition;
  readonly stop: BackupPosition;
  /** The server found pages with wrong checksums; the backup is complete, and what it holds is damaged on the server too. */
  readonly checksumFailures: boolean;
}

/** SQLSTATE with which the server reports wrong page checksums after everything else was sent. */
const dataCorrupted = "XX001";

/**
 * BASE_BACKUP from the first answer to the last: hides that 13–14 send one COPY an archive and later versions a
 * single one. Resolves only when the start, every archive, the manifest and the stop position have come.
 * Throws the server's error, SERVER_PROTOCOL, BASE_BACKUP_OPTION_UNSUPPORTED, ABORTED, or what the handler threw.
 */
export async function startBaseBackup(
  connection: Connection,
  options: BaseBackupOptions,
  handler: BaseBackupHandler,
  signal?: AbortSignal,
): Promise<BaseBackupResult> {
  const command = baseBackupCommand(connection.serverVersion, options);
  let start: BackupPosition | undefined;
  let stop: BackupPosition | undefined;
  let tablespaces: readonly Tablespace[] | undefined;
  let archives = 0;
  let manifestComplete = false;
  let flow: FlowControl = { pause: () => undefined, resume: () => undefined };

  const parts: BaseBackupParts = {
    archive(name, oid) {
      archives++;
      handler.onArchive(name, oid);
    },
    archiveData: (piece) => {
      handler.onArchiveData(piece);
    },
    archiveEnd: () => {
      handler.onArchiveEnd();
    },
    manifestData: (piece) => {
      handler.onManifestData(piece);
    },
    manifestEnd() {
      manifestComplete = true;
    },
    progress: (bytes) => handler.onProgress?.(bytes),
  };
  const single = versionTraits(connection.serverVersion).baseBackupProtocol === "single-copy";
  const decoder = single ? createSingleCopyDecoder(parts) : createMultipleCopiesDecoder(parts);

  const onResult = (result: QueryResult): void => {
    if (result.columns.length === 0) return;
    if (start === undefined) {
      start = position(result);
      handler.onStart(start.lsn, start.timeline, flow);
    } else if (tablespaces === undefined) {
      tablespaces = result.rows.map(([oid, location, size]) => tablespaceRow(oid, location, size));
      handler.onTablespaces(tablespaces);
    } else {
      stop = position(result);
    }
  };

  const { error } = await connection.copyOut(
    command,
    {
      onFlow: (control) => {
        flow = control;
      },
      onResult,
      onCopyBegin: (index) => {
        if (tablespaces === undefined) throw replicationErrors.protocol("archives come before the list of tablespaces");
        decoder.copyBegin(index, tablespaces);
      },
      onMessageStart: () => {
        decoder.messageStart();
      },
      onPiece: (piece) => {
        decoder.piece(piece);
      },
      onMessageEnd: () => {
        decoder.messageEnd();
      },
      onCopyEnd: () => {
        decoder.copyEnd();
      },
    },
    signal,
  );
  const complete = manifestComplete && archives > 0 && archives === tablespaces?.length;
  return judge(start, complete ? stop : undefined, error);
}

/** An error after everything has come is the verdict on the pages, any other the end of the backup. */
function judge(
  start: BackupPosition | undefined,
  stop: BackupPosition | undefined,
  error: MonetaError | undefined,
): BaseBackupResult {
  const everything = start !== undefined && stop !== undefined;
  if (error !== undefined && !(everything && sqlStateOf(error) === dataCorrupted)) throw error;
  if (!everything) throw replicationErrors.protocol("server ended the base backup before everything was sent");
  return { start, stop, checksumFailures: error !== undefined };
}

function position(result: QueryResult): BackupPosition {
  const [lsn, timeline] = result.rows[0] ?? [];
  if (typeof lsn !== "string" || typeof timeline !== "string" || result.rows.length !== 1) {
    throw replicationErrors.protocol("server names no position of the base backup");
  }
  return { lsn: parseLsn(lsn), timeline: timelineId(Number(timeline)) };
}

function tablespaceRow(
  oid: string | null | undefined,
  location: string | null | undefined,
  kilobytes: string | null | undefined,
): Tablespace {
  return {
    oid: typeof oid === "string" ? Number(oid) : undefined,
    location: location ?? undefined,
    size: typeof kilobytes === "string" ? Number(kilobytes) * 1024 : undefined,
  };
}

import { versionTraits } from "../postgres/index.ts";
import { replicationErrors } from "./errors.ts";
import { quoteReplicationLiteral } from "./quoting.ts";

export interface BaseBackupOptions {
  /** Goes into backup_label, so without line breaks. */
  readonly label: string;
  /** `fast` (the default) does the checkpoint at once, `spread` when one comes by itself. */
  readonly checkpoint?: "fast" | "spread";
  /** Limit of the server, kB (1024 bytes) a second, 32 to 1048576. */
  readonly maxRateKb?: number;
  /** Compression of the archives by the server (15 and later); `detail` as pg_basebackup writes it, `level=5,workers=2`. */
  readonly compression?: { readonly method: "gzip" | "lz4" | "zstd"; readonly detail?: string };
  /** The server checks its pages while it reads them; on by default. */
  readonly verifyChecksums?: boolean;
}

const lowestRate = 32;
const highestRate = 1024 * 1024;

/**
 * The text of BASE_BACKUP for a server (PostgreSQL manual, "Streaming Replication Protocol"): a list of
 * keywords for 13 and 14, a list of options after that. WAL is not asked for, nor waited for: the receiver
 * holds it. The manifest carries CRC-32C, which costs both sides next to nothing.
 */
export function baseBackupCommand(serverVersion: number, options: BaseBackupOptions): string {
  const { label, maxRateKb, compression, checkpoint = "fast", verifyChecksums = true } = options;
  if (/[\x00-\x1f\x7f]/.test(label)) throw replicationErrors.misuse("label of a base backup contains a control character");
  if (maxRateKb !== undefined && !(Number.isInteger(maxRateKb) && maxRateKb >= lowestRate && maxRateKb <= highestRate)) {
    throw replicationErrors.baseBackupUnsupported(
      `rate of ${maxRateKb} kB/s is outside of what PostgreSQL takes, ${lowestRate} to ${highestRate}`,
      { maxRateKb },
    );
  }
  const traits = versionTraits(serverVersion);
  if (compression !== undefined && !traits.serverCompression) {
    throw replicationErrors.baseBackupUnsupported(`PostgreSQL ${traits.major} cannot compress a base backup on the server`, {
      major: traits.major,
    });
  }
  const quotedLabel = quoteReplicationLiteral(label);
  if (traits.baseBackupSyntax === "keywords") {
    return [
      `BASE_BACKUP LABEL ${quotedLabel} PROGRESS`,
      ...(checkpoint === "fast" ? ["FAST"] : []),
      "NOWAIT",
      ...(maxRateKb === undefined ? [] : [`MAX_RATE ${maxRateKb}`]),
      "TABLESPACE_MAP",
      ...(verifyChecksums ? [] : ["NOVERIFY_CHECKSUMS"]),
      "MANIFEST 'yes' MANIFEST_CHECKSUMS 'CRC32C'",
    ].join(" ");
  }
  const list = [
    `LABEL ${quotedLabel}`,
    "PROGRESS true",
    `CHECKPOINT '${checkpoint}'`,
    "WAIT false",
    "WAL false",
    ...(maxRateKb === undefined ? [] : [`MAX_RATE ${maxRateKb}`]),
    "TABLESPACE_MAP true",
    `VERIFY_CHECKSUMS ${verifyChecksums}`,
    "MANIFEST 'yes'",
    "MANIFEST_CHECKSUMS 'CRC32C'",
    ...(compression === undefined ? [] : [`COMPRESSION '${compression.method}'`]),
    ...(compression?.detail === undefined ? [] : [`COMPRESSION_DETAIL ${quoteReplicationLiteral(compression.detail)}`]),
  ];
  return `BASE_BACKUP (${list.join(", ")})`;
}

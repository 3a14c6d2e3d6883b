/**
 * A repository as pgmoneta 0.22 lays it out, made of base backups and WAL that PostgreSQL's own programs took: there is no
 * pgmoneta here to write one. The layout follows its repository tree, `backup.info` and digest lists as they were captured.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { compressionSuffix, openCompressor, type CompressionMethod } from "../../src/compression/index.ts";
import { sealMessage, type Cipher, type MasterKey } from "../../src/encryption/index.ts";
import { linkedLz4 } from "./linked-lz4.ts";

/** How pgmoneta was configured to store. */
export interface PgmonetaForm {
  readonly compression: CompressionMethod;
  readonly encryption: Cipher | "none";
  readonly masterKey: MasterKey;
}

/** What `pg_basebackup -Fp -X fetch --manifest-checksums=SHA512` wrote, and what the server said of it. */
export interface TakenBackup {
  readonly label: string;
  readonly data: string;
  readonly tablespaces: readonly {
    readonly name: string;
    readonly oid: number;
    readonly location: string;
    readonly directory: string;
  }[];
  readonly start: string;
  readonly end: string;
  readonly minorVersion: number;
  /** Default 15. */
  readonly majorVersion?: number;
  /** Label of the backup that this one continues. */
  readonly parent?: string;
  /** Bytes of a WAL segment. */
  readonly segmentSize: number;
}

const plainNames = new Set(["backup_label", "backup_manifest"]);
const largeFile = 1024 * 1024;

async function compressed(plain: Buffer, method: CompressionMethod): Promise<Buffer> {
  if (method === "none") return plain;
  if (method === "gzip") return promisify(gzip)(plain);
  if (method === "lz4") return linkedLz4(plain);
  // One frame, or stream, a file, as the libraries of pgmoneta write it.
  if (plain.length > 800_000) return execFileSync(method, ["-c", "-1"], { input: plain, maxBuffer: 64 * largeFile });
  const compressor = await openCompressor(method, 1);
  try {
    return Buffer.from(await compressor.compress(plain));
  } finally {
    await compressor.close();
  }
}

export const suffixOfForm = ({ compression, encryption }: PgmonetaForm): string =>
  compressionSuffix[compression] + (encryption === "none" ? "" : ".aes");

/** The stored bytes of a file. */
async function stored(plain: Buffer, form: PgmonetaForm): Promise<Buffer> {
  return sealMessage(form.masterKey, form.encryption, await compressed(plain, form.compression));
}

function filesBelow(directory: string, below = ""): { readonly files: string[]; readonly directories: string[] } {
  const files: string[] = [];
  const directories: string[] = [];
  for (const entry of readdirSync(join(directory, below), { withFileTypes: true })) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) {
      const inner = filesBelow(directory, path);
      directories.push(path, ...inner.directories);
      files.push(...inner.files);
    } else if (entry.isFile()) files.push(path);
  }
  return { files, directories };
}

const sha512 = (bytes: Buffer): string => createHash("sha512").update(bytes).digest("hex");

interface ManifestEntry {
  readonly Path?: string;
  readonly Checksum: string;
}

const manifestOf = (data: string): Map<string, string> => {
  const { Files } = JSON.parse(readFileSync(join(data, "backup_manifest"), "utf8")) as { Files: ManifestEntry[] };
  return new Map(Files.map(({ Path = "", Checksum }) => [Path, Checksum]));
};

/** Puts a backup into the repository at `root`; files that `previous` has as well become absolute links to its own. */
export async function layBackup(
  root: string,
  server: string,
  taken: TakenBackup,
  form: PgmonetaForm,
  previous?: TakenBackup,
): Promise<number> {
  const home = join(root, server, "backup", taken.label);
  const suffix = suffixOfForm(form);
  const manifest = manifestOf(taken.data);
  const before = previous === undefined ? new Map<string, string>() : manifestOf(previous.data);
  const digests: string[] = [];
  let links = 0;
  const put = async (from: string, relative: string, inManifest: string): Promise<void> => {
    const plain = readFileSync(from);
    const name = relative + (plainNames.has(relative.slice("data/".length)) ? "" : suffix);
    const older = join(root, server, "backup", previous?.label ?? "", name);
    const same =
      manifest.has(inManifest) && before.get(inManifest) === manifest.get(inManifest) && !/backup_label$|INCREMENTAL\./.test(name);
    if (same && existsSync(older)) {
      symlinkSync(older, join(home, name));
      digests.push(`${sha512(readFileSync(older))} *./${name}`);
      links += 1;
      return;
    }
    const bytes = name === relative ? plain : await stored(plain, form);
    writeFileSync(join(home, name), bytes, { mode: 0o600 });
    digests.push(`${sha512(bytes)} *./${name}`);
  };
  const roots = [
    { from: taken.data, to: "data", inManifest: "" },
    ...taken.tablespaces.map(({ name, oid, directory }) => ({
      from: directory,
      to: `tblspc_${name}`,
      inManifest: `pg_tblspc/${oid}/`,
    })),
  ];
  for (const { from, to, inManifest } of roots) {
    mkdirSync(join(home, to), { recursive: true, mode: 0o700 });
    const { files, directories } = filesBelow(from);
    for (const directory of directories) mkdirSync(join(home, to, directory), { recursive: true, mode: 0o700 });
    for (const file of files) await put(join(from, file), `${to}/${file}`, inManifest + file);
  }
  for (const { name, oid } of taken.tablespaces)
    symlinkSync(join(home, `tblspc_${name}`), join(home, "data/pg_tblspc", String(oid)));
  writeFileSync(join(home, "backup.manifest"), [...manifest].map(([path, digest]) => `${path},${digest}\n`).join(""));
  writeFileSync(join(home, "backup.info"), infoOf(taken, form));
  const own = ["backup.info", "backup.manifest"].map((name) => `${sha512(readFileSync(join(home, name)))} *./${name}`);
  writeFileSync(join(home, "backup.sha512"), [...own, ...digests].map((line) => `${line}\n`).join(""));
  return links;
}

function infoOf(
  { label, start, end, majorVersion = 15, minorVersion, parent, segmentSize, tablespaces }: TakenBackup,
  { compression, encryption }: PgmonetaForm,
): string {
  const code = ["none", "gzip", "zstd", "lz4", "bzip2"].indexOf(compression);
  const cipher = ["none", "aes-256-gcm", "aes-192-gcm", "aes-128-gcm"].indexOf(encryption);
  const [high = "", low = ""] = start.split("/");
  const number = Math.floor(Number.parseInt(low, 16) / segmentSize);
  const segment = `00000001${high.padStart(8, "0")}${number.toString(16).toUpperCase().padStart(8, "0")}`;
  const timings = [
    "",
    "BASEBACKUP_",
    "HASH_",
    "COMPRESSION_ZSTD_",
    "COMPRESSION_GZIP_",
    "COMPRESSION_BZIP2_",
    "COMPRESSION_LZ4_",
    "ENCRYPTION_",
  ];
  const more = ["LINKING_", "MANIFEST_", "REMOTE_SSH_", "REMOTE_S3_", "REMOTE_AZURE_"];
  return [
    "PGMONETA_VERSION=0.22.0",
    "STATUS=1",
    `LABEL=${label}`,
    `WAL=${segment}`,
    "BACKUP=8359936",
    "RESTORE=8052736",
    "BIGGEST_FILE=745472",
    ...[...timings, ...more].map((name) => `${name}ELAPSED=0.5000`),
    `MAJOR_VERSION=${majorVersion}`,
    `MINOR_VERSION=${minorVersion}`,
    "KEEP=0",
    `TABLESPACES=${tablespaces.length}`,
    `COMPRESSION=${code === 0 ? 0 : code + 16}`,
    `ENCRYPTION=${cipher}`,
    ...tablespaces.flatMap(({ name, oid, location }, index) => [
      `TABLESPACE${index + 1}=tblspc_${name}`,
      `TABLESPACE_OID${index + 1}=${oid}`,
      `TABLESPACE_PATH${index + 1}=${location}`,
    ]),
    `START_WALPOS=${start}`,
    `END_WALPOS=${end}`,
    `CHKPT_WALPOS=${start}`,
    "START_TIMELINE=1",
    "END_TIMELINE=1",
    `TYPE=${parent === undefined ? 0 : 1}`,
    `PARENT=${parent ?? ""}`,
    "COMMENTS=",
    "EXTRA=",
    "",
  ].join("\n");
}

/** Puts what `pg_receivewal` wrote into the WAL directory: complete segments converted, the partial one as it is. */
export async function layWal(root: string, server: string, received: string, form: PgmonetaForm): Promise<void> {
  const wal = join(root, server, "wal");
  mkdirSync(wal, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(received)) {
    if (name.endsWith(".partial")) copyFileSync(join(received, name), join(wal, name));
    else
      writeFileSync(join(wal, name + suffixOfForm(form)), await stored(readFileSync(join(received, name)), form), {
        mode: 0o600,
      });
  }
}

/** Files of the repository: what describes backups and WAL. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { unwrapDataKey, wrapDataKey } from "../../../src/encryption/index.ts";
import { crc32c } from "../../../src/pipeline/index.ts";
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import {
  createChunkIndexWriter,
  createDigestListWriter,
  createManifestWriter,
  formatBackupInfo,
  openServerIdentity,
  openWalCoverage,
  parseBackupInfo,
  readChunkIndex,
  readDigestList,
  readManifest,
  serverLayout,
  walFileFromName,
  type BackupInfo,
  type ChunkIndexEntry,
  type ChunkIndexHeader,
  type StoredDigest,
} from "../../../src/repository/index.ts";
import { formatChecked } from "../../../src/repository/checked-json.ts";
import { formatWalRecord, openWalIndex, parseWalRecord, type WalRecord } from "../../../src/repository/wal-index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import { memorySink } from "../../unit/pipeline/stored-files.ts";
import { sample } from "../../unit/repository/sample-backup.ts";
import { readerOf } from "../../unit/repository/test-repository.ts";
import { mustEqual, mustHold, type FuzzTarget } from "../engine/target.ts";
import { createMasterKeySample } from "./keys.ts";
import { openScratch } from "./scratch.ts";

const label = "20261120090138";

const foreignInfo = readFileSync(join(import.meta.dirname, "../../fixtures/repository/pgmoneta-0.22-backup.info"));
const foreignLabel = /^LABEL=([0-9]{14})$/m.exec(foreignInfo.toString())?.[1] ?? "";

/** The last line of a file of ours is the digest of all before it. */
function repairDigest(input: Buffer): Buffer {
  const at = input.lastIndexOf("DIGEST=");
  const body = at < 0 ? input : input.subarray(0, at);
  return Buffer.concat([body, Buffer.from(`DIGEST=${createHash("sha256").update(body).digest("hex")}\n`)]);
}

const infos: readonly BackupInfo[] = [
  sample({}),
  sample(
    {
      comments: "a=b,c=d\nnext",
      keep: true,
      encryption: "aes-256-gcm",
      tablespaces: [{ directory: "tblspc_space", name: "space", oid: 16384, location: "/srv/sp\u00e4ce" }],
      unknown: [["FUTURE", "yes"]],
    },
    { keyId: "0".repeat(32), pageChecksums: "bad", badPages: 3, damagedFiles: ["base/5/1259"], timeZone: "Europe/Berlin", hash: "sha512", digests: { "backup.chunks": "a".repeat(128) } },
  ),
];

export const backupInfoTarget: FuzzTarget = {
  name: "backup-info",
  open: () => ({
    corpus: [
      ...infos.map((info) => Buffer.from(formatBackupInfo(info))),
      Buffer.from(foreignInfo.toString().replace(foreignLabel, label)),
    ],
    words: ["DIGEST=", "MONETA_FORMAT=", "MONETA_FORMAT=2\n", "TABLESPACES=", "TABLESPACE1=", "START_TIME=", "PGMONETA_VERSION=", "COMPRESSION=", "ENCRYPTION="],
    repair: (input, random) => (random.once(3) ? input : repairDigest(input)),
    run(input) {
      const info = parseBackupInfo(input, "backup.info", label);
      const written = Buffer.from(formatBackupInfo(info));
      const again = parseBackupInfo(written, "backup.info", label);
      // Durations are written with four digits.
      mustEqual({ ...again, elapsed: info.elapsed }, info, "what is written is read again");
      mustEqual(Buffer.from(formatBackupInfo(again)), written, "and written the same");
      if (info.own !== undefined) {
        new Date(info.own.startTime).toISOString();
        new Date(info.own.endTime).toISOString();
      }
      return undefined;
    },
  }),
};

const chunk = { stored: 700, plain: 1024 * 1024, crc32c: 5 };
const entries: readonly ChunkIndexEntry[] = [
  { kind: "directory", path: "data/base", mode: 0o700 },
  {
    kind: "file",
    path: "data/base/5/1259",
    mode: 0o600,
    size: 1024 * 1024 + 9,
    suffix: ".zstd.aes",
    digest: "1".repeat(64),
    crc32c: 0xffff_ffff,
    storedSize: 60 + 700 + 30,
    storedDigest: "2".repeat(64),
    headerSize: 60,
    chunks: [chunk, { stored: 30, plain: 9, crc32c: 6 }],
    owner: "20261120090100",
  },
  { kind: "symlink", path: "data/pg_tblspc/16384", target: "/srv/space" },
];

const indexHeader: ChunkIndexHeader = { label, hash: "sha256", compression: "zstd", encryption: "aes-256-gcm" };

async function chunkIndexBytes(list: readonly ChunkIndexEntry[], header = indexHeader): Promise<Buffer> {
  const sink = memorySink();
  const writer = createChunkIndexWriter(sink, header);
  for (const entry of list) await writer.add(entry);
  await writer.finish();
  return sink.stored();
}

/** Writes the closing line anew: counts of what is there, checksum of everything before it. */
function repairChunkIndex(input: Buffer): Buffer {
  const at = input.lastIndexOf("{\"end\"");
  const body = at < 0 ? input : input.subarray(0, at);
  const totals = { entries: 0, files: 0, bytes: 0, storedBytes: 0 };
  for (const line of body.toString("utf8").split("\n").slice(1)) {
    try {
      const { kind, size, storedSize } = JSON.parse(line) as { kind?: unknown; size?: number; storedSize?: number };
      if (kind === undefined) continue;
      totals.entries += 1;
      if (kind !== "file") continue;
      totals.files += 1;
      totals.bytes += size ?? 0;
      totals.storedBytes += storedSize ?? 0;
    } catch {
      // A line that is broken counts for nothing.
    }
  }
  return Buffer.concat([body, Buffer.from(`${JSON.stringify({ end: totals, crc32c: crc32c(body) })}\n`)]);
}

export const chunkIndexTarget: FuzzTarget = {
  name: "chunk-index",
  async open() {
    const many = Array.from({ length: 4097 }, () => ({ stored: 1, plain: 1, crc32c: 1 }));
    const file = entries[1] as Extract<ChunkIndexEntry, { kind: "file" }>;
    return {
      corpus: [
        await chunkIndexBytes(entries),
        await chunkIndexBytes([]),
        await chunkIndexBytes([{ ...file, size: 4097, storedSize: 4157, chunks: many }]),
      ],
      words: ["\"chunks\":", "\"chunkCount\":", "\"kind\":\"file\"", "[0,0,0]", "\"owner\":\"x\"", "\"mode\":", "\"path\":\"../x\""],
      repair: repairChunkIndex,
      async run(input) {
        let header = indexHeader;
        const read: ChunkIndexEntry[] = [];
        const totals = await readChunkIndex(readerOf(input, "backup.chunks"), {
          onHeader: (found) => {
            header = found;
          },
          onEntry: (entry) => void read.push(entry),
        });
        mustHold(totals.entries === read.length, "all entries are counted");
        const again: ChunkIndexEntry[] = [];
        await readChunkIndex(readerOf(await chunkIndexBytes(read, header), "again"), { onEntry: (entry) => void again.push(entry) });
        mustEqual(again, read, "what is written is read again");
        return undefined;
      },
    };
  },
};

async function listBytes(make: (sink: ReturnType<typeof memorySink>) => Promise<unknown>): Promise<Buffer> {
  const sink = memorySink();
  await make(sink);
  return sink.stored();
}

const odd = ["base/5/1259", "a,b", "with \"quotes\"", "back\\slash", "new\nline", "cr\rhere", "\u00e9\u{1f600}", "\udcff"];

export const digestListTarget: FuzzTarget = {
  name: "digest-lists",
  async open() {
    const write = (list: readonly StoredDigest[]): Promise<Buffer> =>
      listBytes(async (sink) => {
        const writer = createDigestListWriter(sink, "sha256");
        for (const { path, digest } of list) await writer.add(path, digest);
        await writer.finish();
      });
    const writeManifest = (list: readonly StoredDigest[]): Promise<Buffer> =>
      listBytes(async (sink) => {
        const writer = createManifestWriter(sink, "sha256");
        for (const { path, digest } of list) await writer.add(path, digest);
        await writer.finish();
      });
    const sampled = odd.map((path) => ({ path, digest: "a".repeat(64) }));
    return {
      corpus: [await write(sampled), await writeManifest(sampled), Buffer.from(`${"b".repeat(128)}  file\n`)],
      words: ["\\\\", " *./", "\"\"", "\",", "a".repeat(64)],
      async run(input, random) {
        // What one of the two refuses may well be the other.
        const isList = input[0] !== 0x22 && / \*\.\//.test(input.toString("latin1", 0, 200)) !== random.once(8);
        const [read, rewrite] = isList ? ([readDigestList, write] as const) : ([readManifest, writeManifest] as const);
        const list: StoredDigest[] = [];
        for await (const entry of read(readerOf(input, "list"))) list.push(entry);
        const again: StoredDigest[] = [];
        for await (const entry of read(readerOf(await rewrite(list), "again"))) again.push(entry);
        mustEqual(again, list, "what is written is read again");
        return undefined;
      },
    };
  },
};

const walRecord: WalRecord = {
  segment: "000000010000000000000003",
  suffix: ".zstd.aes",
  hash: "sha256",
  plainSize: 16 * 1024 * 1024,
  plainDigest: "a".repeat(64),
  plainCrc32c: 1,
  storedSize: 1000,
  storedDigest: "b".repeat(64),
  headerSize: 60,
  chunks: [chunk],
  archivedAt: Date.UTC(2026, 10, 20),
};

/** The line with the checksum that its body has. */
function repairWalRecord(input: Buffer): Buffer {
  const body = input.toString("utf8").replace(/,"crc32c":[0-9]*\}\n?$/, "");
  return Buffer.from(`${body},"crc32c":${crc32c(Buffer.from(body))}}\n`);
}

export const walIndexTarget: FuzzTarget = {
  name: "wal-index",
  open() {
    const scratch = openScratch();
    const storage = openLocalStorage(scratch.path);
    const layout = serverLayout("primary");
    const file = join(scratch.path, layout.walIndexFile(walRecord.segment));
    mkdirSync(dirname(file), { recursive: true });
    return {
      corpus: [Buffer.from(`${formatWalRecord(walRecord)}\n`), Buffer.from(`${formatWalRecord({ ...walRecord, hash: "sha512", plainDigest: "c".repeat(128), storedDigest: "d".repeat(128), suffix: "", chunks: [] })}\n`)],
      words: ["\"archivedAt\":\"+275760-09-13T00:00:00.001Z\"", "\"chunks\":[", "\"v\":1", "\"suffix\":\"/../x\""],
      repair: repairWalRecord,
      async run(input, random) {
        const line = input.toString("utf8").replace(/\n$/, "");
        const record = parseWalRecord(line);
        if (record !== undefined) {
          mustEqual(parseWalRecord(formatWalRecord(record)), record, "what is written is read again");
        }
        if (random.once(16)) {
          writeFileSync(file, input);
          const found = await openWalIndex(storage, layout).lookup(walRecord.segment);
          mustHold(found === undefined || found.segment === walRecord.segment, "a record is that of its segment");
        }
        return record === undefined ? "no record" : undefined;
      },
      close: () => {
        scratch.remove();
      },
    };
  },
};

/** The document with the checksum that it has. */
function repairChecked(input: Buffer): string {
  const text = input.toString("utf8").trim();
  try {
    const document = Object.entries(JSON.parse(text) as Record<string, unknown>);
    return formatChecked(Object.fromEntries(document.filter(([key]) => key !== "crc32c")));
  } catch {
    // No document: it stays as it is.
    return text;
  }
}

export const stateFilesTarget: FuzzTarget = {
  name: "state-files",
  cost: 8,
  async open() {
    const scratch = openScratch();
    const storage = openLocalStorage(scratch.path);
    const layout = serverLayout("primary");
    await storage.makeDirectory(layout.wal);
    const identity = openServerIdentity(storage, "primary");
    const coverage = openWalCoverage(storage, "primary");
    await identity.write({ systemIdentifier: "7412345678901234567", segmentSize: 16 * 1024 * 1024 });
    await coverage.write({ timeline: timelineId(3), lsn: lsn(0x3000148), serverTime: Date.UTC(2026, 10, 20) });
    const corpus = [await storage.readFile(layout.identity, 4096), await storage.readFile(layout.walCoverage, 4096)];
    return {
      corpus,
      repair: (input) => Buffer.from(`${repairChecked(input)}\n`),
      words: ["\"version\":2", "\"serverTime\":", "\"lsn\":\"0/0\"", "\"timeline\":", "\"segmentSize\":", "8640000000000001"],
      async run(input, random) {
        const isIdentity = input.includes("systemIdentifier") !== random.once(8);
        const path = join(scratch.path, isIdentity ? layout.identity : layout.walCoverage);
        writeFileSync(path, input);
        if (path.endsWith(layout.identity)) {
          const found = await identity.read();
          mustHold(found !== undefined && /^[0-9]{1,20}$/.test(found.systemIdentifier), "an identity is one");
          return undefined;
        }
        const found = await coverage.read();
        if (found === undefined) return "nothing proven";
        new Date(found.serverTime).toISOString();
        await coverage.write(found);
        mustEqual(await coverage.read(), found, "what is written is read again");
        return undefined;
      },
      close: () => {
        scratch.remove();
      },
    };
  },
};

export const dataKeyTarget: FuzzTarget = {
  name: "data-keys-and-names",
  open() {
    const masterKey = createMasterKeySample();
    const wrapped = wrapDataKey(masterKey, { id: "0".repeat(32), secret: Buffer.alloc(32, 7) });
    return {
      corpus: [Buffer.from(wrapped), Buffer.from(`${wrapped}\n`), Buffer.from("000000010000000000000003.zstd.aes"), Buffer.from("00000002.history.gz")],
      words: ["v1:", ":", ".partial", ".aes", ".bz2"],
      run(input) {
        const text = input.toString("latin1");
        const file = walFileFromName(text);
        if (file !== undefined) return undefined;
        const key = unwrapDataKey(masterKey, text);
        mustHold(key.id.length === 32 && key.secret.length === 32, "a key is one");
        return undefined;
      },
    };
  },
};

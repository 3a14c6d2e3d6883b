/**
 * G05: somebody who can write to the repository, but does not have the key, alters what is sealed and puts every
 * checksum and digest right that is kept of it. No byte of it is used.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { crc32c } from "../../../src/pipeline/index.ts";
import type { BackupInfo } from "../../../src/repository/index.ts";
import { formatWalRecord, parseWalRecord } from "../../../src/repository/wal-index.ts";
import { openDataKeys } from "../../../src/repository/index.ts";
import { createMasterKey, readMasterKey } from "../../../src/vault/index.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { createRig, type Rig } from "./rig.ts";

let source: Cluster;
let rig: Rig;
let older: BackupInfo;
let newer: BackupInfo;
let path: string;
const sealed = { compression: "zstd", encryption: "aes-256-gcm" } as const;
const headerSize = 60;

beforeAll(async () => {
  const keyFile = await newMasterKey();
  source = await createCluster();
  await source.sql("CREATE TABLE kept AS SELECT g, md5(g::text) FROM generate_series(1, 60000) g; CHECKPOINT");
  rig = await createRig(source, { masterKey: await readMasterKey(keyFile), masterKeyFile: keyFile });
  path = `data/${await source.value("SELECT pg_relation_filepath('kept')")}`;
  older = await rig.backup(sealed);
  await source.sql("UPDATE kept SET md5 = md5(md5) WHERE g % 2 = 0; CHECKPOINT");
  newer = await rig.backup(sealed);
  await rig.archive(sealed);
  await rig.stopReceiver();
});

async function newMasterKey(): Promise<string> {
  const home = join(temporaryDirectory().path, "keys");
  mkdirSync(home, { mode: 0o700 });
  await createMasterKey(join(home, "master.key"), randomBytes(16).toString("hex"));
  return join(home, "master.key");
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const inRepository = (name: string): string => rig.storage.absolutePath(`primary/${name}`);
const inBackup = ({ label }: BackupInfo, name: string): string => inRepository(`backup/${label}/${name}`);

interface IndexLine {
  kind?: string;
  path?: string;
  storedSize: number;
  storedDigest: string;
  chunks: [stored: number, plain: number, crc: number][];
  end?: { storedBytes: number };
}

const indexLines = (info: BackupInfo): IndexLine[] =>
  readFileSync(inBackup(info, "backup.chunks"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as IndexLine);
const entryOf = (lines: readonly IndexLine[]): IndexLine => {
  const found = lines.find((line) => line.path === path);
  if (found === undefined) throw new Error(`no ${path}`);
  return found;
};

/** Replaces the stored file, and everything that is kept of its stored bytes. */
function plant(info: BackupInfo, stored: Buffer, change: (entry: IndexLine) => void = () => undefined): void {
  const lines = indexLines(info);
  const entry = entryOf(lines);
  const grown = stored.length - entry.storedSize;
  writeFileSync(inBackup(info, `${path}.zstd.aes`), stored);
  const was = entry.storedDigest;
  entry.storedSize = stored.length;
  entry.storedDigest = sha256(stored);
  change(entry);
  const end = lines.at(-1)?.end;
  if (end === undefined) throw new Error("no end");
  end.storedBytes += grown;
  const body = lines.slice(0, -1).map((line) => `${JSON.stringify(line)}\n`).join("");
  writeFileSync(inBackup(info, "backup.chunks"), `${body}${JSON.stringify({ end, crc32c: crc32c(Buffer.from(body)) })}\n`);
  const list = readFileSync(inBackup(info, "backup.sha256"), "utf8");
  writeFileSync(inBackup(info, "backup.sha256"), list.replace(was, entry.storedDigest).replace(info.own?.digests["backup.chunks"] ?? "-", sha256(readFileSync(inBackup(info, "backup.chunks")))));
  let text = readFileSync(inBackup(info, "backup.info"), "utf8");
  for (const name of ["backup.chunks", "backup.sha256"]) text = text.replace(new RegExp(`^(DIGEST_${name})=.*$`, "m"), `$1=${sha256(readFileSync(inBackup(info, name)))}`);
  const facts = text.slice(0, text.lastIndexOf("DIGEST="));
  writeFileSync(inBackup(info, "backup.info"), `${facts}DIGEST=${sha256(Buffer.from(facts))}\n`);
}

/** Undoes all that `plant` did. */
async function afterwards(step: () => Promise<void>): Promise<void> {
  const names = ["backup.info", "backup.chunks", "backup.sha256", `${path}.zstd.aes`];
  const kept = names.map((name) => readFileSync(inBackup(newer, name)));
  try {
    await step();
  } finally {
    for (const [index, name] of names.entries()) writeFileSync(inBackup(newer, name), kept[index] ?? "");
  }
}

async function refused(named: RegExp | string): Promise<void> {
  const directory = temporaryDirectory({ prefix: "mrest", unprivileged: true }).path;
  await expect(rig.restore({ backup: newer.label, directory, position: "immediate" })).rejects.toThrow(named);
  expect(readdirSync(directory)).toEqual([]);
}

const storedOf = (info: BackupInfo): Buffer => readFileSync(inBackup(info, `${path}.zstd.aes`));
const notAuthentic = /base\/\d+\/\d+\.zstd\.aes.*match its tag/;

it("with the digests put right nothing but the seal is in the way: untouched bytes planted like this come back", async () => {
  await afterwards(async () => {
    plant(newer, storedOf(newer));
    const { plan } = await rig.restore({ backup: newer.label, position: "immediate" });
    expect(plan.backup.label).toBe(newer.label);
  });
});

it.each([
  ["a byte of the ciphertext", (stored: Buffer) => headerSize + 4 + Math.floor(stored.length / 3)],
  ["the last byte of the tag", (stored: Buffer) => stored.length - 1],
  ["the salt", () => 30],
])("%s is altered", async (_what, at) => {
  await afterwards(async () => {
    const stored = storedOf(newer);
    const place = at(stored);
    stored[place] = (stored[place] ?? 0) ^ 1;
    plant(newer, stored);
    await refused(notAuthentic);
  });
});

it("two sealed chunks of a file are swapped", async () => {
  await afterwards(async () => {
    const stored = storedOf(newer);
    const { chunks } = entryOf(indexLines(newer));
    const [first, second] = chunks;
    if (first === undefined || second === undefined) throw new Error("the file has no two chunks");
    const rest = stored.subarray(headerSize + first[0] + second[0]);
    const swapped = [stored.subarray(0, headerSize), stored.subarray(headerSize + first[0], headerSize + first[0] + second[0]), stored.subarray(headerSize, headerSize + first[0]), rest];
    plant(newer, Buffer.concat(swapped), (entry) => {
      entry.chunks = [second, first, ...chunks.slice(2)];
    });
    await refused(/base\/\d+\/\d+\.zstd\.aes.*match its tag/);
  });
});

it("a file is cut behind a chunk", async () => {
  await afterwards(async () => {
    const { chunks } = entryOf(indexLines(newer));
    const [first] = chunks;
    if (first === undefined) throw new Error("no chunk");
    plant(newer, storedOf(newer).subarray(0, headerSize + first[0]), (entry) => {
      entry.chunks = [first];
      (entry as unknown as { size: number }).size = first[1];
    });
    await refused(/base\/\d+\/\d+\.zstd\.aes|backup\.chunks/);
  });
});

it("a file is replaced by the older backup's, sealed by the same key, with what is kept of its stored bytes", async () => {
  await afterwards(async () => {
    const old = entryOf(indexLines(older));
    plant(newer, storedOf(older), (entry) => {
      entry.chunks = entry.chunks.map(([, plain, crc], index) => [old.chunks[index]?.[0] ?? 0, plain, crc]);
    });
    await refused(/base\/\d+\/\d+\.zstd\.aes|backup\.chunks/);
  });
});

it("the master key is another one, or the data key is", async () => {
  const stranger = await readMasterKey(await newMasterKey());
  const foreign = openDataKeys(rig.storage, "primary", stranger);
  const directory = temporaryDirectory({ prefix: "mrest", unprivileged: true }).path;
  await expect(rig.restore({ backup: newer.label, directory, keys: () => foreign.ring() })).rejects.toMatchObject({ code: "REPOSITORY_MASTER_KEY_WRONG" });
  await expect(rig.restore({ backup: newer.label, directory, keys: () => Promise.resolve(() => undefined) })).rejects.toMatchObject({ code: "ENCRYPTION_KEY_UNKNOWN" });
  const wrong = { id: newer.own?.keyId ?? "", secret: randomBytes(32) };
  await expect(rig.restore({ backup: newer.label, directory, keys: () => Promise.resolve(() => wrong) })).rejects.toThrow(/match its tag/);
  expect(readdirSync(directory)).toEqual([]);
});

it("a sealed WAL segment is altered and its record put right", async () => {
  const [name = ""] = readdirSync(inRepository("wal")).filter((each) => each.endsWith(".zstd.aes") && each >= newer.firstSegment).sort();
  const segment = name.slice(0, 24);
  const index = inRepository(`wal_index/${segment.slice(0, 16)}.jsonl`);
  const kept = [readFileSync(inRepository(`wal/${name}`)), readFileSync(index)] as const;
  const stored = Buffer.from(kept[0]);
  stored[stored.length - 5] = (stored[stored.length - 5] ?? 0) ^ 1;
  const lines = kept[1].toString().trimEnd().split("\n").map((line) => {
    const record = parseWalRecord(line);
    return record?.segment === segment ? formatWalRecord({ ...record, storedDigest: sha256(stored) }) : line;
  });
  try {
    writeFileSync(inRepository(`wal/${name}`), stored);
    writeFileSync(index, `${lines.join("\n")}\n`);
    await refused(new RegExp(`${segment}.*match its tag`));
  } finally {
    writeFileSync(inRepository(`wal/${name}`), kept[0]);
    writeFileSync(index, kept[1]);
  }
});

/** A server, its repository and the real receiver between them: what a backup needs, and what judges it afterwards. */
import { cp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { backup, backupErrors, type BackupDependencies, type BackupOptions, type BackupResult, type WalDurability } from "../../../src/backup/index.ts";
import { createGate, systemClock, throwIfAborted } from "../../../src/common/index.ts";
import { compressionSuffix, type CompressionMethod } from "../../../src/compression/index.ts";
import { createOpener, type DataKey } from "../../../src/encryption/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import type { Lsn, TimelineId } from "../../../src/postgres/index.ts";
import { openCatalog, openWalInventory, type BackupInfo, type Catalog } from "../../../src/repository/index.ts";
import { openLocalStorage, type LocalStorage } from "../../../src/storage/index.ts";
import { runReceiver, type ReceiverEvent } from "../../../src/wal/index.ts";
import { runOnDirectory, type Cluster } from "../../support/postgres-cluster.ts";
import { run, runOrFail } from "../../support/processes.ts";
import { tool } from "../../support/requires.ts";
import { registerResource } from "../../support/resources.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";

export const server = "primary";

export interface House {
  readonly cluster: Cluster;
  readonly base: string;
  readonly storage: LocalStorage;
  readonly catalog: Catalog;
  readonly wal: WalDurability;
  /** What the receiver reported so far. */
  readonly events: readonly ReceiverEvent[];
  /** Takes a backup, uncompressed unless `changes` say otherwise. */
  backup(changes?: Partial<BackupOptions>, deps?: Partial<BackupDependencies>): Promise<BackupResult>;
  /** Absolute path of a backup. */
  path(label: string): string;
  /** Waits until the receiver streams (again). */
  streaming(): Promise<void>;
  /** Everything below `backup/`, hidden and unfinished things included. */
  names(): Promise<string[]>;
  stopReceiver(): Promise<void>;
  startReceiver(): Promise<void>;
  close(): Promise<void>;
}

export interface HouseOptions {
  /** Where the backup connects to, instead of the cluster's socket. */
  readonly connect?: Partial<BackupOptions["connect"]>;
  /** Where the receiver streams from; default: the cluster that is backed up. */
  readonly source?: Cluster;
  readonly storage?: LocalStorage;
  /** Without the receiver: for tests of what happens before. */
  readonly receiver?: boolean;
}

export function connectTo(cluster: Cluster): BackupOptions["connect"] {
  const { host, port, user } = cluster.connectionOptions;
  return { host, port, user, tls: { mode: "disable" }, connectTimeoutMs: 20_000, keepAlive: true, noDelay: true };
}

export async function openHouse(cluster: Cluster, options: HouseOptions = {}): Promise<House> {
  const base = options.storage?.root ?? temporaryDirectory({ prefix: "mhouse" }).path;
  const storage = options.storage ?? openLocalStorage(base);
  const events: ReceiverEvent[] = [];
  const changed = createGate();
  const flushed = new Map<TimelineId, Lsn>();
  let streaming = false;
  let controller = new AbortController();
  let running: Promise<void> | undefined;

  const report = (event: ReceiverEvent): void => {
    events.push(event);
    if (event.type === "state") streaming = event.state === "streaming";
    if (event.type === "progress") flushed.set(event.timeline, event.flush);
    changed.open();
  };

  /** The receiver says how far it is, the repository whether everything before is there. */
  const wal: WalDurability = {
    receiverRunning: () => streaming,
    async waitUntilDurable({ timeline, from, to, segmentSize }, signal) {
      const wake = (): void => changed.open();
      signal.addEventListener("abort", wake, { once: true });
      const received = (): boolean => [...flushed].some(([on, upTo]) => on > timeline || (on === timeline && upTo >= to));
      while (!received()) {
        throwIfAborted(signal);
        await changed.wait();
      }
      const inventory = openWalInventory(storage, server, segmentSize);
      const history = await inventory.histories.read(timeline);
      if (history === undefined) throw backupErrors.walMissing(`the history of timeline ${timeline} is missing`);
      const state = await inventory.continuity({ from, to, history });
      if (!state.complete) throw backupErrors.walMissing(`${state.firstMissing}: ${state.reason}`);
    },
  };

  const untilStreaming = async (): Promise<void> => {
    await waitFor("the receiver streams", () => streaming, { seen: () => events.at(-1) });
  };

  const startReceiver = async (): Promise<void> => {
    controller = new AbortController();
    const connect = connectTo(options.source ?? cluster);
    running = runReceiver(
      { server, connect, slot: "moneta", createSlot: true, storage },
      { clock: systemClock, logger: silentLogger, signal: controller.signal, report },
    );
    await untilStreaming();
  };

  const stopReceiver = async (): Promise<void> => {
    controller.abort();
    await running;
    running = undefined;
    streaming = false;
  };

  const close = async (): Promise<void> => {
    await stopReceiver();
    forget();
  };
  const forget = registerResource({ name: `receiver into ${base}`, release: close, abandon: () => undefined });
  if (options.receiver !== false) await startReceiver();

  return {
    cluster,
    base,
    storage,
    catalog: openCatalog(storage, server),
    wal,
    events,
    backup: (changes = {}, deps = {}) =>
      backup(
        {
          server,
          connect: { ...connectTo(cluster), ...options.connect },
          storage,
          spec: { compression: "none", encryption: "none" },
          hash: "sha256",
          link: false,
          workers: 2,
          maxRateBytes: () => 0,
          version: "0.1.0",
          ...changes,
        },
        { clock: systemClock, logger: silentLogger, signal: new AbortController().signal, progress: () => undefined, wal, ...deps },
      ),
    path: (label) => storage.absolutePath(`${server}/backup/${label}`),
    async names() {
      try {
        return (await readdir(storage.absolutePath(`${server}/backup`))).sort();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
        throw error;
      }
    },
    streaming: untilStreaming,
    stopReceiver,
    startReceiver,
    close,
  };
}

/** What makes `<name><suffix>` into `<name>`, many files at once; `zstd` wants to be told by the suffix that it knows. */
const decompress: Readonly<Record<Exclude<CompressionMethod, "none">, string>> = {
  gzip: 'gzip -d "$@"',
  zstd: 'for f; do mv "$f" "${f%.zstd}.zst"; set -- "$@" "${f%.zstd}.zst"; shift; done; zstd -dq --rm -- "$@"',
  lz4: 'lz4 -dqm --rm -- "$@"',
  bzip2: 'bzip2 -d -- "$@"',
};

/** A copy of the backup in which every file is plain again, by public tools (and our opener of the container). */
export async function extract(house: House, info: BackupInfo, key?: DataKey): Promise<string> {
  const target = join(temporaryDirectory({ prefix: "mplain" }).path, info.label);
  // Not Node's own copy, which turns names that are no UTF-8 into others.
  await runOrFail("cp", ["-a", house.path(info.label), target]);
  if (info.encryption !== "none") {
    for (const entry of await readdir(target, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || !path.endsWith(".aes")) continue;
      await writeFile(path.slice(0, -".aes".length), openContainer(await readFile(path), key));
      await rm(path);
    }
  }
  if (info.compression !== "none") {
    const files = [target, "-type", "f", "-name", `*${compressionSuffix[info.compression]}`];
    await runOrFail("find", [...files, "-exec", "sh", "-ec", decompress[info.compression], "sh", "{}", "+"]);
  }
  return target;
}

function openContainer(sealed: Buffer, key: DataKey | undefined): Buffer {
  const opener = createOpener(sealed, (id) => (id === key?.id ? key : undefined));
  const pieces: Buffer[] = [];
  let at = opener.headerLength;
  for (let number = 0, last = false; !last; number += 1) {
    const word = sealed.readUInt32BE(at);
    last = word >= 0x8000_0000;
    const end = at + 4 + (word % 0x8000_0000);
    pieces.push(opener.open(sealed.subarray(at, end), number, last));
    at = end;
  }
  if (at !== sealed.length) throw new Error("something follows the last frame");
  return Buffer.concat(pieces);
}

/** Fails unless PostgreSQL's own tool finds every file of the manifest, byte for byte. */
export async function expectVerified(directory: string): Promise<void> {
  const { status, stdout, stderr } = await run(tool("pg_verifybackup"), ["-n", join(directory, "data")]);
  if (status !== 0 || !stdout.includes("backup successfully verified")) throw new Error(`pg_verifybackup refuses ${directory}:\n${stdout}${stderr}`);
}

/** Starts the extracted backup with all WAL of the repository in its pg_wal: recovery must reach the end of it. */
export async function startExtracted(house: House, directory: string, segmentSize = 16 * 1024 * 1024): Promise<Cluster> {
  const wal = house.storage.absolutePath(`${server}/wal`);
  const target = join(directory, "data", "pg_wal");
  for (const name of await readdir(wal)) {
    const segment = /^([0-9A-F]{24})(\.partial)?$/.exec(name)?.[1];
    if (segment === undefined) continue;
    await cp(join(wal, name), join(target, segment));
    await truncate(join(target, segment), segmentSize);
  }
  await writeFile(join(directory, "data", "postgresql.auto.conf"), "fsync = off\n");
  return runOnDirectory({ major: house.cluster.major, dataDir: join(directory, "data") });
}

/** The error with which a promise rejects; fails when it is fulfilled. */
export async function failureOf(promise: Promise<unknown>): Promise<{ readonly code?: string; readonly message: string }> {
  try {
    await promise;
  } catch (error) {
    return error as { code?: string; message: string };
  }
  throw new Error("it succeeded");
}

/** Facts of a daemon for tests: real records of the state, real `backup.info` values, nothing that is not there in life. */
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import type { DaemonFacts, ServerFacts } from "../../../src/metrics/index.ts";
import { noTimings, type BackupInfo, type CatalogEntry } from "../../../src/repository/index.ts";
import { createSegment, openStateReader, openStateWriter, type ServerState } from "../../../src/state/index.ts";

const lines = { fatal: 0, error: 1, warn: 2, info: 3, debug: 4, trace: 5 };
const place = { used: 5, free: 50, total: 100 };

export function stateWith(values: Partial<ServerState>): ServerState {
  const segment = createSegment({ servers: 1, jobs: 0 });
  openStateWriter(segment).server(0).set(values);
  return openStateReader(segment).server(0);
}

export function entry(label: string, more: Partial<BackupInfo> = {}, state: CatalogEntry["state"] = "valid"): CatalogEntry {
  if (state === "damaged") return { label, state, problem: "cut" };
  const info: BackupInfo = {
    writer: "0.22.0",
    valid: state === "valid",
    label,
    firstSegment: "000000010000000000000002",
    storedBytes: 3_000_000,
    restoredBytes: 24_000_000,
    biggestFile: 1000,
    elapsed: { ...noTimings, total: 1.5, baseBackup: 1, zstd: 0.5 },
    majorVersion: 15,
    minorVersion: 18,
    keep: false,
    tablespaces: [],
    compression: "zstd",
    compressedBy: "client",
    encryption: "none",
    startLsn: lsn(0x2000028n),
    endLsn: lsn(0x2000100n),
    checkpointLsn: lsn(0x2000060n),
    startTimeline: timelineId(1),
    endTimeline: timelineId(1),
    type: "full",
    comments: "",
    extra: "",
    unknown: [],
    ...more,
  };
  return { label, state, info };
}

export function server(name: string, more: Partial<ServerFacts> = {}): ServerFacts {
  return {
    name,
    online: true,
    following: false,
    valid: true,
    workers: 2,
    retention: { days: 7, weeks: 0, months: 0, years: 0 },
    state: stateWith({
      process: "running",
      receiver: "streaming",
      connected: true,
      timeline: 1,
      writeLsn: 0x3000100n,
      flushLsn: 0x3000100n,
      serverEndLsn: 0x3000200n,
      coveredTime: 1_000_000,
      serverVersion: 150_018,
      walSegmentSize: 16 * 1024 * 1024,
      slot: "reserved",
      flushes1ms: 3,
      flushes10ms: 1,
      flushesLonger: 1,
      flushMicros: 12_000_000,
      receivedBytes: 77,
    }),
    entries: [],
    newest: undefined,
    drill: undefined,
    provenMoment: undefined,
    problems: [],
    jobs: [],
    ended: [{ command: "backup", counts: { succeeded: 2, failed: 1, cancelled: 0, died: 0 }, last: { outcome: "failed", ended: 900_000, durationMs: 1500 } }],
    operations: { count: 3, failed: 1, last: Date.UTC(2026, 10, 20, 9, 1, 43), lastFailed: undefined },
    walShipping: undefined,
    workspace: place,
    hotStandby: undefined,
    timelines: [{ timeline: 1, parent: 0, switchLsn: 0n }],
    extensions: [{ name: "plpgsql", version: "1.0", comment: 'PL/pgSQL "procedural"\nlanguage \\' }],
    window: { start: 500_000, end: 1_000_000 },
    lastArchived: undefined,
    unarchived: 0,
    stages: { wal_received: 77 },
    removed: { backups: 1, walFiles: 2, walBytes: 3 },
    ...more,
  };
}

export function daemon(servers: readonly ServerFacts[], more: Partial<DaemonFacts> = {}): DaemonFacts {
  return {
    now: 1_004_000,
    version: "0.1.0",
    nodeVersion: "20.20.2",
    started: 900_000,
    fips: false,
    compression: 18,
    retention: { days: 7, weeks: 4, months: 0, years: 0 },
    lines,
    linesSinceReset: { ...lines, info: 1 },
    errors: new Map([["WAL_GAP", 2]]),
    commands: [{ command: "status", succeeded: 4, failed: 0 }],
    repository: { ...place, fullInMs: undefined, bytesPerHour: 7200 },
    processes: [
      { kind: "supervisor", server: "", command: "", cpuSeconds: 1, residentBytes: 10, threads: 11, openFiles: 20, started: 900_000, readBytes: 1, writtenBytes: 2 },
      { kind: "job", server: "primary", command: "restore", cpuSeconds: 2, residentBytes: 20, threads: 5, openFiles: undefined, started: 950_000, readBytes: undefined, writtenBytes: undefined },
      { kind: "job", server: "primary", command: "restore", cpuSeconds: 3, residentBytes: 30, threads: 5, openFiles: undefined, started: 950_000, readBytes: undefined, writtenBytes: undefined },
    ],
    certificates: [{ use: "metrics", expires: 2_000_000 }],
    scrapes: { count: 1, seconds: 0.002, refused: 0 },
    servers,
    ...more,
  };
}

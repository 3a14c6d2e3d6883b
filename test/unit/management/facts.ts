import type { PlainReport } from "../../../src/verify/index.ts";
import type {
  BackupDetails,
  BackupSummary,
  RepositorySummary,
  ServerDetails,
  ServerIdentity,
} from "../../../src/management/index.ts";

/** The facts behind the recorded conversations, in our own terms. */
export const primary: ServerIdentity = { server: "primary", majorVersion: 15, minorVersion: 18 };

const common = {
  server: "primary",
  valid: true,
  keep: false,
  biggestFileSize: 745_472,
  restoreSize: 8_052_736,
  compression: 18,
  encryption: 0,
  comments: null,
  parent: null,
} as const;

export const older: BackupSummary = {
  ...common,
  label: "20261120090136",
  backupSize: 8_060_928,
  walBytes: 33_554_432,
  deltaBytes: 0,
};
export const newer: BackupSummary = {
  ...common,
  label: "20261120090138",
  backupSize: 4_284_416,
  walBytes: 16_777_216,
  deltaBytes: 16_777_216,
};

export const details: BackupDetails = {
  ...newer,
  ...primary,
  firstSegment: "000000010000000000000005",
  elapsedMs: 0,
  startLsn: 0x5000028n,
  checkpointLsn: 0x5000060n,
  endLsn: 0x5000100n,
  startTimeline: 1,
  endTimeline: 1,
  tablespaces: [],
};

export const repository: RepositorySummary = {
  usedSpace: 32_419_840,
  freeSpace: 76_236_750_848,
  totalSpace: 270_553_174_016,
  workers: 2,
  version: "0.1.0",
};

export const server: ServerDetails = {
  ...primary,
  online: true,
  primary: true,
  checksums: true,
  workers: 2,
  numberOfBackups: 2,
  serverSize: 32_419_840,
  workspaceFreeSpace: 0,
  hotStandbySize: 0,
  retention: { days: 7, weeks: 4, months: 12, years: 5 },
  active: { archive: false, backup: false, delete: false, restore: false, retention: false },
  waiting: 0,
  stream: {
    state: "streaming",
    slot: "repl",
    timeline: 1,
    flushedLsn: 0x6000148n,
    serverLsn: 0x6000148n,
    lagBytes: 0,
    lagMs: 3,
    gaps: 0,
  },
  problems: [],
  backups: [older, newer],
  jobs: [],
  fips: false,
};

/** What a verification found: nothing, of two files. */
export const verified: PlainReport = {
  server: "primary",
  majorVersion: 15,
  minorVersion: 18,
  label: "20261120090138",
  directory: "/b/primary/backup/20261120090138",
  walDirectory: "/b/primary/wal",
  hash: "sha256",
  files: 2,
  bytes: 8195,
  skipped: 0,
  segments: 1,
  elapsedMs: 1500,
  findings: [],
  findingCount: 0,
  harmful: 0,
  unread: [],
  unreadCount: 0,
  all: [
    { path: "data/PG_VERSION", digest: "ab".repeat(32) },
    { path: "tblspc_space/PG_15_202209061/5/16384", digest: "cd".repeat(32) },
  ],
  allCount: 2,
};

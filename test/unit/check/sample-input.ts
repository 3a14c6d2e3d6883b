/** A server of which everything is as it should be, and its parts. */
import { alarmSubjects, type AlarmSubject, type CheckInput, type ProbeReport, type ServerFindings } from "../../../src/check/index.ts";

export const now = Date.UTC(2026, 10, 20, 12);
const day = 86_400_000;

export const findings: ServerFindings = {
  regainReplication: 'ALTER ROLE "moneta" WITH REPLICATION;',
  version: 150_018,
  versionText: "15.18",
  systemIdentifier: "7713881075539965055",
  timeline: 1,
  position: String(0x5000100),
  encrypted: true,
  inRecovery: false,
  checksums: true,
  fullPageWrites: true,
  replicationRight: true,
  slotRestart: String(0x5000000),
  slotActive: true,
  slotRoom: 10 * 1024 ** 3,
  diskRoom: null,
  clockOffset: 3,
  clockUncertainty: 2,
  certificateEnds: now + 300 * day,
};

const prerequisites = ["VERSION", "WAL_LEVEL", "MAX_WAL_SENDERS", "SLOT", "SLOT_WAL", "TABLESPACES", "SYNCHRONOUS_COMMIT", "SQL_CONNECTION", "FILE_LOCATIONS", "PASSWORD_TRANSPORT"];

export const report: ProbeReport = {
  at: now,
  failure: null,
  prerequisites: prerequisites.map((code) => ({ code, ok: true, severity: "error", message: `${code} is as it should be` })),
  server: findings,
  certificates: [{ key: "primary.tls_ca_file", path: "/etc/moneta/ca.pem", ends: now + 400 * day, holds: null, problem: null }],
  keyProblem: null,
};

export const noAlarms = Object.fromEntries(alarmSubjects.map((subject) => [subject, []])) as unknown as Record<AlarmSubject, []>;

export const healthy: CheckInput = {
  server: "primary",
  now,
  online: true,
  follows: false,
  probe: report,
  earlier: { at: now - 120_000, position: 0x4ff0000n, kept: 0x100n },
  alarms: noAlarms,
  stream: { state: "streaming", known: true, flushed: 0x5000100n, serverEnd: 0x5000100n, lastHeard: now - 2000, gaps: 0, timeline: 1, segmentSize: 16 * 1024 ** 2 },
  backups: {
    valid: 3,
    unusable: 0,
    newest: now - 3_600_000,
    newestLabel: "20261120110000",
    newestBytes: 1024 ** 3,
    windowFrom: now - 8 * day,
    oldest: now - 8 * day,
    policyReach: 7 * day,
    policy: "7",
    oldestAllowed: 2 * day,
    drillsScheduled: true,
    proven: now - day,
    verificationPeriod: 7 * day,
  },
  disks: [{ what: "base_dir", path: "/b", total: 100 * 1024 ** 3, free: 60 * 1024 ** 3, fullInMs: undefined }],
  encrypts: true,
  wants: { secondCopy: true, hotStandby: true, extra: true },
  notifications: { configured: 2, failing: [] },
  lineage: findings.systemIdentifier,
};

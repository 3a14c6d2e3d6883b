/** What the checks look at, out of the memory of the supervisor and what was just asked. */
import type { CheckInput, DiskInput, EarlierLook, ProbeReport } from "../check/index.ts";
import { formatPolicy, type RetentionPolicy } from "../retention/index.ts";
import { newestProven, type CatalogEntry } from "../repository/index.ts";
import { alarmsOf, type AlarmSources } from "./alarms.ts";
import { endOf, recoveryWindow } from "./recovery-window.ts";
import { oldestAllowed } from "./schedule-problems.ts";
import { scheduleOf } from "./scheduler.ts";
import type { SupervisedServer } from "./server.ts";
import { retentionPolicyOf } from "./settings.ts";

export interface Asked {
  readonly probe: ProbeReport | undefined;
  readonly earlier: EarlierLook | undefined;
  readonly notifications: CheckInput["notifications"];
}

const dayMs = 86_400_000;

/** How far back a policy promises moments, milliseconds; a policy that counts copies promises none. */
function reachOf(policy: RetentionPolicy): number | undefined {
  if (policy.kind === "count") return undefined;
  return policy.kind === "window" ? policy.seconds * 1000 : policy.days * dayMs;
}

function backupsOf(server: SupervisedServer, entries: readonly CatalogEntry[], sources: AlarmSources): CheckInput["backups"] {
  const valid = entries.flatMap(({ info, state }) => (state === "valid" && info !== undefined ? [info] : []));
  const newest = valid.toSorted((a, b) => endOf(b) - endOf(a))[0];
  const { from, oldest } = recoveryWindow(server, entries);
  const policy = retentionPolicyOf(server.options);
  return {
    valid: valid.length,
    unusable: entries.length - valid.length,
    newest: newest === undefined ? undefined : endOf(newest),
    newestLabel: newest?.label,
    newestBytes: newest?.storedBytes ?? 0,
    windowFrom: from === undefined ? undefined : endOf(from),
    oldest: oldest === undefined ? undefined : endOf(oldest),
    policyReach: reachOf(policy),
    policy: formatPolicy(policy),
    oldestAllowed: oldestAllowed(server, sources.now()),
    drillsScheduled: scheduleOf("drill", server) !== undefined,
    proven: newestProven(server.drills)?.ended,
    verificationPeriod: sources.main().verification * 1000,
  };
}

function disksOf(server: SupervisedServer, { main, space }: AlarmSources): DiskInput[] {
  const places = [["base_dir", main().baseDir] as const, ["workspace", server.options.workspace] as const];
  return places.map(([what, path]) => ({ what, path, ...space.of(path), fullInMs: space.fullInMs(path) }));
}

export function checkInput(server: SupervisedServer, sources: AlarmSources, asked: Asked): CheckInput {
  const state = server.state();
  const { child } = server.receiver;
  const follows = server.follow !== undefined && server.follow.since === undefined;
  return {
    server: server.name,
    now: sources.now(),
    online: server.online,
    follows,
    ...asked,
    alarms: alarmsOf(server, sources, state),
    stream: {
      state: child.state !== "running" ? child.state : follows ? "following" : state.receiver,
      known: state.timeline > 0,
      flushed: state.flushLsn,
      serverEnd: state.serverEndLsn,
      lastHeard: state.lastMessageTime,
      gaps: state.gaps,
      timeline: state.timeline,
      segmentSize: state.walSegmentSize,
    },
    backups: backupsOf(server, sources.entries(server.name), sources),
    disks: disksOf(server, sources),
    encrypts: server.options.encryption !== "none",
    wants: {
      secondCopy: server.secondCopy !== undefined,
      hotStandby: server.hotStandby !== undefined,
      extra: (server.options.extra ?? []).length > 0,
    },
    lineage: server.lineages.present,
  };
}

/** The checks of all servers: made when somebody asks or at intervals, each at most once at a time, and remembered. */
import { runChecks, type CheckInput, type CheckReport, type EarlierLook, type ProbeReport } from "../check/index.ts";
import { createNap, messageOf, type Clock, type Nap } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { AlarmSources } from "./alarms.ts";
import { checkInput } from "./check-input.ts";
import type { Probe } from "./prober.ts";
import type { SupervisedServer } from "./server.ts";

export interface ChecksOptions {
  readonly probe: Probe;
  readonly sources: AlarmSources;
  readonly notifications: () => CheckInput["notifications"];
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Checks {
  /** Checks now; with `maxAgeMs` an answer of the server that is not older is good enough. Throws what asking it throws. */
  check(server: SupervisedServer, maxAgeMs?: number): Promise<CheckReport>;
  /** What is known without asking anybody; undefined before the first time. */
  last(server: SupervisedServer): CheckReport | undefined;
  /** Checks every server again and again until the signal fires; while the interval is 0, none. */
  repeat(servers: () => readonly SupervisedServer[], intervalMs: () => number, signal: AbortSignal): void;
  /** Servers or interval are others than before: begins the next round now. */
  update(): void;
}

/** As long as nothing is checked by itself it is only looked whether that has changed. Milliseconds. */
const longestMs = 3_600_000;

interface Look {
  readonly report: ProbeReport;
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly earlier: EarlierLook | undefined;
}

/** What a look says about what grows; undefined when the server was not reached. */
function earlierOf(report: ProbeReport): EarlierLook | undefined {
  const { at, server } = report;
  if (server === null) return undefined;
  const position = BigInt(server.position);
  return { at, position, kept: server.slotRestart === null ? undefined : position - BigInt(server.slotRestart) };
}

export function createChecks({ probe, sources, notifications, clock, logger }: ChecksOptions): Checks {
  const looks = new Map<string, Look>();
  const running = new Map<string, Promise<Look>>();
  let nap: Nap | undefined;

  const judge = (server: SupervisedServer, look: Look | undefined): CheckReport =>
    runChecks(
      checkInput(server, sources, { probe: look?.report, earlier: look?.earlier, notifications: notifications() }),
      server.options.checkIgnore,
    );

  async function look(server: SupervisedServer): Promise<Look> {
    const report = await probe(server.options);
    const before = looks.get(server.name);
    // A rate is measured over a while: two looks in one breath say nothing.
    const base = before === undefined ? undefined : report.at - before.report.at < 10_000 ? before.earlier : (earlierOf(before.report) ?? before.earlier);
    const made: Look = { report, at: clock.monotonic(), earlier: base };
    looks.set(server.name, made);
    return made;
  }

  const checks: Checks = {
    async check(server, maxAgeMs = 0) {
      // Taken out of service on purpose: nobody is asked.
      if (!server.online) return judge(server, undefined);
      const known = looks.get(server.name);
      if (known !== undefined && maxAgeMs > 0 && clock.monotonic() - known.at <= maxAgeMs) return judge(server, known);
      let asking = running.get(server.name);
      if (asking === undefined) {
        asking = look(server).finally(() => running.delete(server.name));
        running.set(server.name, asking);
      }
      return judge(server, await asking);
    },
    update: () => nap?.wake(),
    last: (server) => (looks.has(server.name) ? judge(server, looks.get(server.name)) : undefined),
    repeat(servers, intervalMs, signal) {
      const own = createNap(clock, signal);
      nap = own;
      const round = async (): Promise<void> => {
        while (!signal.aborted) {
          const ms = intervalMs();
          const asked = (ms === 0 ? [] : servers()).map((server) =>
            checks.check(server, ms / 2).catch((error: unknown) => {
              if (!signal.aborted) logger.warn(`${server.name} could not be checked: ${messageOf(error)}`);
            }),
          );
          await Promise.all(asked);
          await own.sleep(ms === 0 ? longestMs : ms);
        }
      };
      round().catch(() => undefined); // Only the signal ends the sleep.
    },
  };
  return checks;
}

/** The process of one receiver: takes its settings by message, receives WAL, and does nothing else. */
import { commonErrors, systemClock } from "../common/index.ts";
import {
  openChildSession,
  toReceiver,
  type Beat,
  type Drained,
  type Extensions,
  type Findings,
  type Held,
  type LiveSettings,
  type ReceiverRole,
  type ReceiverStart,
  type Running,
  type SegmentComplete,
  type StateChanged,
  type ToReceiver,
} from "../ipc/index.ts";
import { createLogger, registerSecret, type AdjustableLogger } from "../log/index.ts";
import {
  configurationFields,
  createMirror,
  createSegment,
  decodeDelta,
  openStateReader,
  openStateWriter,
  receiverOwns,
  serverConfigurationFields,
  serverFields,
} from "../state/index.ts";
import { receive, type ReceiverEnvironment } from "./receive.ts";

const segment = createSegment({ servers: 1, jobs: 0 });
const writer = openStateWriter(segment);
const reader = openStateReader(segment);
const draining = new AbortController();
/** The supervisor kills a receiver that it has not heard for a minute. Milliseconds. */
const LONGEST_BEAT_MS = 10_000;
let logger: AdjustableLogger | undefined;
let completed = 0;
const wakeListeners = new Set<() => void>();
let role: ReceiverRole | undefined;
const roleListeners = new Set<() => void>();

const session = openChildSession<Running | StateChanged | Held | Extensions | Findings | Drained | SegmentComplete | Beat, ToReceiver>({
  host: process,
  check: toReceiver,
  onMessage(message) {
    switch (message.type) {
      case "start":
        void run(message);
        return;
      case "reconfigure":
        reconfigure(message.live);
        return;
      case "role":
        role = message.role;
        for (const changed of [...roleListeners]) changed();
        return;
      case "drain":
        draining.abort(commonErrors.aborted("the receiver is drained"));
        return;
      case "wake":
        for (const wake of [...wakeListeners]) wake();
        return;
    }
  },
});

function reconfigure(live: LiveSettings): void {
  writer.configuration().set(decodeDelta(configurationFields, live.configuration));
  writer.serverConfiguration(0).set(decodeDelta(serverConfigurationFields, live.server));
  logger?.setLevel(reader.configuration().logLevel);
}

async function run(start: ReceiverStart): Promise<void> {
  // One that came after it, while the process started, is newer.
  role ??= start.role;
  reconfigure(start.live);
  for (const secret of Object.values(start.secrets)) registerSecret(String(secret));
  if (start.title !== undefined) process.title = start.title;
  logger = createLogger(["receiver", start.server.name], reader.configuration().logLevel, session.logSink);
  const record = writer.server(0, (names) => mirror.changed(names));
  const mirror = createMirror({
    table: serverFields,
    names: receiverOwns,
    read: () => record.read(),
    send: (delta) => session.channel.send({ type: "state", delta }),
    clock: systemClock,
  });
  const environment: ReceiverEnvironment = {
    server: start.server,
    repository: start.repository,
    secrets: start.secrets,
    clock: systemClock,
    logger,
    signal: AbortSignal.any([draining.signal, session.orphaned]),
    record,
    segmentComplete(name) {
      completed += 1;
      session.channel.send({ type: "segment", name, number: completed }).catch(supervisorGone);
    },
    held(error) {
      session.channel.send(error === undefined ? { type: "held" } : { type: "held", error }).catch(supervisorGone);
    },
    findings(findings) {
      session.channel.send({ type: "findings", findings }).catch(supervisorGone);
    },
    extensions(extensions) {
      session.channel.send({ type: "extensions", extensions }).catch(supervisorGone);
    },
    role: () => role ?? start.role,
    onRole(listener) {
      roleListeners.add(listener);
      return () => void roleListeners.delete(listener);
    },
    onWake(listener) {
      wakeListeners.add(listener);
      return () => void wakeListeners.delete(listener);
    },
  };
  const beats = new AbortController();
  try {
    void beat(Math.min(start.server.statusIntervalMs, LONGEST_BEAT_MS), AbortSignal.any([beats.signal, session.orphaned]));
    // Counters go on where the receiver before this one left them.
    record.set(decodeDelta(serverFields, start.state));
    await session.channel.send({ type: "running" });
    await receive(environment);
    await mirror.close();
    await session.channel.send({ type: "drained" });
  } catch (error) {
    await session.fail(error);
    return;
  } finally {
    beats.abort();
  }
  await session.end(0);
}

/** A receiver of an idle server has nothing to say, and one that is stuck cannot say so: this tells them apart. */
async function beat(intervalMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await session.channel.send({ type: "beat" }).catch(supervisorGone);
    // Only the end of the receiver ends the wait.
    await systemClock.sleep(intervalMs, signal).catch(() => undefined);
  }
}

/** The session has seen it too and ends the process. */
function supervisorGone(): void {
  draining.abort(commonErrors.aborted("the supervisor is gone"));
}

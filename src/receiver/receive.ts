/** From the supervisor's settings to the receiving of WAL, and from what happens there to the server's record. */
import { commonErrors, errorToRecord, type Clock, type ErrorRecord } from "../common/index.ts";
import type { ConnectionSettings, Finding, ReceiverRole, RepositorySettings, Secrets, ServerExtension, ServerSettings } from "../ipc/index.ts";
import type { Logger } from "../log/index.ts";
import { parseLsn, timelineId } from "../postgres/index.ts";
import { readPassFile, type ConnectOptions } from "../replication/index.ts";
import { serverFields, type openStateWriter, type ServerState } from "../state/index.ts";
import { openRepositoryStorage } from "../repository/index.ts";
import { runReceiver, runSlotHolder, type ReceiverDependencies, type ReceiverEvent, type StoredElsewhere } from "../wal/index.ts";
import { createFindings } from "./findings.ts";
import { timedCalls } from "./flush-times.ts";

export interface ReceiverEnvironment {
  readonly server: ServerSettings;
  readonly repository: RepositorySettings;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Fires when the receiver is to sync, say goodbye and end. */
  readonly signal: AbortSignal;
  /** The server's record of the state segment. */
  readonly record: ReturnType<ReturnType<typeof openStateWriter>["server"]>;
  readonly segmentComplete: (name: string) => void;
  /** What holds the receiver up; undefined when nothing does any more. */
  readonly held: (error: ErrorRecord | undefined) => void;
  readonly findings: (findings: readonly Finding[]) => void;
  /** What the server has in the database that it is asked through. */
  readonly extensions: (extensions: readonly ServerExtension[]) => void;
  readonly onWake: NonNullable<ReceiverDependencies["onWake"]>;
  /** What it is to do, as it was told last. */
  readonly role: () => ReceiverRole;
  /** Has `listener` called when it is told; returns how to stop that. */
  readonly onRole: (listener: () => void) => () => void;
}

/** Milliseconds of the server's clock between two proven moments in the record. */
const coveredStepMs = 100;

type ReceiverOptions = Parameters<typeof runReceiver>[0];

/** How to connect; the password comes from the users file, else from the pass file at each attempt. */
function connectOptions(
  connection: ConnectionSettings,
  server: ServerSettings,
  secrets: Secrets,
): ReceiverOptions["connect"] {
  const { host, port, user, tls, keepAlive, noDelay, passFile } = connection;
  const password: NonNullable<ConnectOptions["password"]> = async () =>
    secrets.password ?? (await readPassFile(passFile, host, port, "replication", user));
  return {
    host,
    port,
    user,
    tls,
    keepAlive,
    noDelay,
    password,
    connectTimeoutMs: connection.connectTimeoutMs + connection.authenticationTimeoutMs,
    idleTimeoutMs: server.receiverTimeoutMs,
  };
}

/** The slot's state as the record words it. */
function slotState(exists: boolean | undefined, walStatus: string | undefined): ServerState["slot"] {
  if (exists === false) return "missing";
  return serverFields.slot.words.find((word) => word === walStatus) ?? "unknown";
}

/** Repeats what the receiver reports in the server's record. */
function createReporter({ record, segmentComplete, held, findings, extensions, clock }: ReceiverEnvironment): (event: ReceiverEvent) => void {
  let write: bigint | undefined;
  let covered = 0;
  const found = createFindings();
  return (event) => {
    switch (event.type) {
      case "state": {
        const { state, error } = event;
        const connected = state === "comparing" || state === "streaming" || state === "preparing" || state === "paused";
        if (state === "disconnected" && record.read().connected) record.add("reconnects", 1);
        if (error !== undefined) held(errorToRecord(error));
        else if (state === "streaming") held(undefined);
        const code = error?.code ?? (state === "streaming" ? "" : undefined);
        record.set({ receiver: state, connected, ...(code === undefined ? {} : { error: code }) });
        return;
      }
      case "facts": {
        const { facts } = event;
        record.set({
          serverVersion: facts.serverVersion,
          walSegmentSize: facts.segmentSize,
          inRecovery: facts.inRecovery === true,
          checksums: facts.dataChecksums === true,
          summarizesWal: facts.summarizeWal === true,
          slot: slotState(facts.slot.exists, facts.slot.walStatus),
          lastMessageTime: clock.now(),
        });
        if (facts.extensions !== undefined) extensions(facts.extensions);
        return;
      }
      case "covered":
        // Under load a moment is proven with every sync; a tenth of a second older is as good.
        if (Math.abs(event.serverTime - covered) < coveredStepMs) return;
        covered = event.serverTime;
        record.set({ coveredTime: Math.max(0, Math.floor(covered)) });
        return;
      case "started":
        write = undefined;
        record.set({ timeline: event.timeline, slot: event.slotKeepsWal ? "reserved" : "lost", lastMessageTime: clock.now() });
        return;
      case "progress": {
        const received = write === undefined || event.write < write ? 0n : event.write - write;
        write = event.write;
        if (received > 0n) record.add("receivedBytes", Number(received));
        record.set({
          timeline: event.timeline,
          writeLsn: event.write,
          flushLsn: event.flush,
          serverEndLsn: event.serverEnd,
          lastMessageTime: clock.now(),
        });
        return;
      }
      case "held":
        held(undefined);
        record.set({ error: "" });
        return;
      case "segment-complete":
        segmentComplete(event.segment);
        return;
      case "gap":
        record.add("gaps", 1);
        return;
      case "lacks":
      case "dead-branch":
        if (found.note(event)) findings(found.list());
        return;
      case "timeline-switch":
        // The log has said so; the timeline changes with the next progress.
        return;
    }
  };
}

/** Up to where the followed server is stored, as the role says it. */
function storedElsewhere({ stored }: ReceiverRole): StoredElsewhere | undefined {
  return stored === undefined ? undefined : { server: stored.server, timeline: timelineId(stored.timeline), lsn: parseLsn(stored.lsn) };
}

/**
 * Does what the role says until the signal fires: receives WAL, or keeps the slot. Rejects only for a defect: everything else is
 * reported and tried again.
 */
export async function receive(environment: ReceiverEnvironment): Promise<void> {
  const { server, repository, secrets, clock, logger, signal, onWake, role } = environment;
  const options: ReceiverOptions = {
    server: server.name,
    connect: connectOptions(server.connection, server, secrets),
    slot: server.slot,
    createSlot: server.createSlot,
    storage: openRepositoryStorage(repository.baseDir, repository.id),
    statusIntervalMs: server.statusIntervalMs,
    follows: role().follows,
  };
  const report = createReporter(environment);
  const calls = timedCalls(environment.record, clock);
  while (!signal.aborted) {
    const { streams } = role();
    const other = new AbortController();
    const forget = environment.onRole(() => {
      if (role().streams !== streams) other.abort(commonErrors.aborted("the receiver has another role"));
    });
    const deps = { clock, logger, signal: AbortSignal.any([signal, other.signal]), onWake, report, calls };
    try {
      if (streams) await runReceiver(options, deps);
      else await runSlotHolder(options, { ...deps, stored: () => storedElsewhere(role()) });
    } finally {
      forget();
    }
  }
}

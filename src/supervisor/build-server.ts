/** Builds what the supervisor has of one configured server: receiver, archiver, second copy, copies, and its place in the state. */
import { messageWithHint, toMonetaError, type Clock, type MonetaError } from "../common/index.ts";
import type { ServerOptions } from "../config/index.ts";
import type { JobRequest, ReceiverStart } from "../ipc/index.ts";
import type { Logger, LogSink } from "../log/index.ts";
import { createSegment, openStateReader, type openStateWriter } from "../state/index.ts";
import { createArchiver } from "./archiver.ts";
import { createFollow, streaming } from "./follow.ts";
import { createHotStandby, hotStandbyRequest } from "./hot-standby.ts";
import type { Job } from "./job.ts";
import { createJobCounts } from "./job-counts.ts";
import { noLineages } from "./lineages.ts";
import { createReceiver } from "./receivers.ts";
import { createSecondCopy } from "./second-copy.ts";
import type { SupervisedServer } from "./server.ts";
import type { ServerMode } from "./server-mode.ts";
import { createWalLedger } from "./wal-ledger.ts";

export interface BuildContext {
  readonly mode: ServerMode;
  readonly writer: ReturnType<typeof openStateWriter>;
  readonly reader: ReturnType<typeof openStateReader>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logSink: LogSink;
  readonly children: { readonly lockFd: number; readonly environment: Readonly<Record<string, string | undefined>>; readonly titleRoom: readonly string[] };
  /** What its receiver is told at its start. */
  readonly start: (server: SupervisedServer) => Omit<ReceiverStart, "role">;
  readonly submit: (server: string, request: JobRequest) => Job;
  /** The receiver said something new. */
  readonly changed: (server: SupervisedServer) => void;
  /** `receiver_timeout` at the moment, milliseconds. */
  readonly patienceMs: () => number;
}

/** A receiver that has to sync and say goodbye gets this long. */
const DRAIN_MS = 20_000;

/** A record of which nothing is known. */
const blank = openStateReader(createSegment({ servers: 1, jobs: 0 })).server(0);

/** Empties the record of the state at `index`, so that nothing of a server that had it before is taken for the next one's. */
export function blankRecord(index: number, { writer }: Pick<BuildContext, "writer">): void {
  writer.server(index).set(blank);
}

/** What an operator wanted of a server cannot be guessed from a damaged file: it stays out of service, the others do not. */
async function modeOf(name: string, { logger, mode }: BuildContext): Promise<Pick<SupervisedServer, "online" | "problem">> {
  try {
    return { online: await mode.isOnline(name), problem: undefined };
  } catch (error) {
    const problem = toMonetaError(error);
    logger.error(`whether ${name} is offline is not known, so it stays offline: ${messageWithHint(problem)}`, { code: problem.code });
    return { online: false, problem };
  }
}

type Tools = Pick<SupervisedServer, "archiver" | "secondCopy" | "hotStandby">;

const archiverOf = (name: string, { clock, logger, submit }: BuildContext): Tools["archiver"] =>
  createArchiver({ server: name, clock, logger: logger.child("archiver"), submit: () => submit(name, { command: "archive-wal" }) });

/** The second copy that the options ask for. */
export function secondCopyOf({ name, walShipping }: ServerOptions, { clock, logger, submit }: BuildContext): Tools["secondCopy"] {
  if (walShipping === undefined) return undefined;
  return createSecondCopy({
    server: name,
    directory: walShipping,
    submit: () => submit(name, { command: "ship-wal", directory: walShipping }),
    clock,
    logger: logger.child("second copy"),
  });
}

/** The copies that the options ask for. */
export function hotStandbyOf({ name, ...options }: ServerOptions, { clock, logger, submit }: BuildContext): Tools["hotStandby"] {
  const request = hotStandbyRequest(options);
  if (request === undefined) return undefined;
  return createHotStandby({ server: name, submit: () => submit(name, request), clock, logger: logger.child("hot standby") });
}

/** Gives a server what looks after its files, anew. */
export function equip(server: SupervisedServer, context: BuildContext): void {
  server.archiver = archiverOf(server.name, context);
  server.secondCopy = secondCopyOf(server.options, context);
  server.hotStandby = hotStandbyOf(server.options, context);
}

/** Has a server follow another one, or none. */
export function joinFollow(server: SupervisedServer, followed: SupervisedServer | undefined, context: BuildContext): void {
  const { clock, logger, patienceMs } = context;
  server.follow?.stop();
  server.follow =
    followed === undefined
      ? undefined
      : createFollow({
          own: server,
          followed,
          clock,
          logger: logger.child("follow"),
          patienceMs,
          tell: (role) => server.receiver.setRole(role),
        });
}

/** Builds the server with the record of the state at `index`; nothing of it runs yet. */
export async function buildServer(index: number, options: ServerOptions, context: BuildContext): Promise<SupervisedServer> {
  const { children, clock, logger, logSink, reader, writer } = context;
  const { name } = options;
  blankRecord(index, context);
  const record = writer.server(index);
  const { online, problem } = await modeOf(name, context);
  const server: SupervisedServer = {
    name,
    index,
    options,
    record,
    wal: createWalLedger(),
    state: () => reader.server(index),
    online,
    problem,
    follow: undefined,
    archivingProblem: undefined,
    retentionProblem: undefined,
    findings: [],
    drills: [],
    extensions: undefined,
    timelines: [],
    lastArchived: undefined,
    unarchived: 0,
    jobCounts: createJobCounts(),
    schedules: {},
    lineages: noLineages,
    watchers: new Set(),
    receiver: createReceiver({
      server: name,
      record,
      clock,
      logger: logger.child("receiver"),
      startMessage: () => ({ ...context.start(server), role: server.follow?.role() ?? streaming }),
      onSegment(segmentName) {
        const { walSegmentSize } = server.state();
        server.wal.add(segmentName, walSegmentSize);
        record.add("walBytes", walSegmentSize);
        server.unarchived += 1;
        server.archiver.wake(segmentName);
      },
      onLog: (line) => logSink.write(line),
      onChange: () => context.changed(server),
      onError(error: MonetaError | undefined) {
        server.problem = error;
      },
      onFindings(findings) {
        server.findings = findings;
      },
      onExtensions(extensions) {
        server.extensions = extensions;
      },
      drainTimeoutMs: DRAIN_MS,
      ...children,
    }),
    archiver: archiverOf(name, context),
    secondCopy: secondCopyOf(options, context),
    hotStandby: hotStandbyOf(options, context),
  };
  return server;
}

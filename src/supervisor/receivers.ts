/** One receiver per configured server that is online: started, restarted, drained, and repeated in the state segment. */
import { errorFromRecord, type Clock, type MonetaError } from "../common/index.ts";
import { fromReceiver, type Finding, type FromReceiver, type LiveSettings, type ReceiverRole, type ServerExtension, type ToReceiver } from "../ipc/index.ts";
import type { Logger, LogRecord } from "../log/index.ts";
import { decodeDelta, serverFields, type openStateWriter } from "../state/index.ts";
import { createChild, type Child } from "./child.ts";
import { startProcess } from "./child-process.ts";
import { watchBeats } from "./heartbeat.ts";

export type ServerRecordWriter = ReturnType<ReturnType<typeof openStateWriter>["server"]>;

export interface ReceiverOptions {
  readonly server: string;
  readonly record: ServerRecordWriter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly startMessage: () => ToReceiver;
  readonly onSegment: (name: string) => void;
  readonly onLog: (record: LogRecord) => void;
  /** The receiver's part of the server's record changed. */
  readonly onChange: () => void;
  readonly onError: (error: MonetaError | undefined) => void;
  /** All that the receiver has found to tell an operator; nothing while there is no receiver. */
  readonly onFindings: (findings: readonly Finding[]) => void;
  readonly onExtensions: (extensions: readonly ServerExtension[]) => void;
  readonly lockFd: number | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly titleRoom: readonly string[];
  readonly drainTimeoutMs: number;
}

export interface Receiver {
  readonly child: Child;
  reconfigure(live: LiveSettings): void;
  /** Tells the receiver, if there is one, what it is to do from now on. */
  setRole(role: ReceiverRole): void;
  /** Makes the attempt now that a wait is on for, of the process or in it. A server that is offline stays so. */
  wake(): void;
}

export function createReceiver(options: ReceiverOptions): Receiver {
  const { record, server, logger } = options;
  let tell: (message: ToReceiver) => void = () => undefined;
  const child = createChild({
    name: `receiver of ${server}`,
    clock: options.clock,
    logger,
    drainTimeoutMs: options.drainTimeoutMs,
    onState(state, error) {
      record.set({ process: state, restarts: child.restarts });
      if (state === "running" || state === "stopped") options.onError(undefined);
      if (error !== undefined) options.onError(error);
      // What a process that is gone last said about its connection is not true any more.
      if (state === "backoff" || state === "stopped" || state === "failed") {
        record.set({ connected: false, receiver: "stopped" });
        options.onFindings([]);
      }
      options.onChange();
    },
    spawn(events) {
      const receive = (message: FromReceiver): void => {
        beats.heard();
        switch (message.type) {
          case "beat":
            return;
          case "running":
            events.running();
            return;
          case "state":
            record.set(decodeDelta(serverFields, message.delta));
            options.onChange();
            return;
          case "log":
            options.onLog(message.record);
            return;
          case "segment":
            options.onSegment(message.name);
            return;
          case "failed":
            events.failed(message.error);
            return;
          case "held":
            options.onError(message.error === undefined ? undefined : errorFromRecord(message.error));
            return;
          case "findings":
            options.onFindings(message.findings);
            return;
          case "extensions":
            options.onExtensions(message.extensions);
            return;
          case "drained":
            logger.debug(`receiver of ${server} has said goodbye to its server`);
            return;
        }
      };
      const process = startProcess<ToReceiver, FromReceiver>({
        program: "receiver",
        check: fromReceiver,
        onMessage: receive,
        onEnd(end) {
          beats.stop();
          events.ended(end);
        },
        logger: logger.child(server),
        lockFd: options.lockFd,
        environment: options.environment,
        titleRoom: options.titleRoom,
      });
      const beats = watchBeats(options.clock, () => {
        logger.error(`the receiver of ${server} gives no sign of life and is killed`, { pid: process.pid ?? 0 });
        process.kill();
      });
      tell = (message) => {
        // A process that is gone has its end reported by onEnd; there is nothing more to do for a message to it.
        process.channel.send(message).catch(() => undefined);
      };
      tell(options.startMessage());
      return { pid: process.pid, drain: () => tell({ type: "drain" }), kill: () => process.kill() };
    },
  });
  return {
    child,
    reconfigure: (live) => tell({ type: "reconfigure", live }),
    setRole: (role) => tell({ type: "role", role }),
    wake() {
      if (child.state === "backoff" || child.state === "failed") child.start();
      else if (child.state === "running") tell({ type: "wake" });
    },
  };
}

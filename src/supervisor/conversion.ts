/** The conversion of one file, from the request to the outcome. It runs in a process of its own, so that no file can hold the supervisor up. */
import { rm } from "node:fs/promises";
import { commonErrors, errorFromRecord, messageOf, toMonetaError, type Clock, type MonetaError } from "../common/index.ts";
import type { ConversionDone, ConversionProgressed, ConversionStart, FromConverter, ToConverter } from "../ipc/index.ts";
import type { Logger, LogSink } from "../log/index.ts";
import { describeEnd, type ProcessEnd, type RunningProcess } from "./child-process.ts";
import { supervisorErrors } from "./errors.ts";

export type ConversionCommand = ConversionStart["conversion"];

export type ConversionOutcome =
  | { readonly state: "succeeded"; readonly result: ConversionDone }
  | { readonly state: "failed" | "cancelled" | "died"; readonly error: MonetaError };

/** What a conversion needs of its surroundings. */
export interface ConversionContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logSink: Pick<LogSink, "write">;
  /** Starts the process. */
  readonly spawn: (onMessage: (message: FromConverter) => void, onEnd: (end: ProcessEnd) => void) => RunningProcess<ToConverter>;
  /** What the process is told, when its turn has come. */
  readonly startMessage: (conversion: Conversion) => Promise<ConversionStart>;
  /** How long it may take to end after it was told to, milliseconds. */
  readonly cancelGraceMs: number;
}

export interface Conversion {
  /** `file-1`: conversions are counted by themselves. */
  readonly id: string;
  readonly command: ConversionCommand;
  /** Absolute path. */
  readonly file: string;
  readonly state: "waiting" | "running" | "cancelling" | "ended";
  /** Milliseconds since 1970. */
  readonly submitted: number;
  readonly started: number | undefined;
  readonly ended: number | undefined;
  /** As it last said; undefined before that. */
  readonly progress: ConversionProgressed | undefined;
  readonly outcome: ConversionOutcome | undefined;
  readonly pid: number | undefined;
  /** Resolves when nothing of it runs any more and nothing half-written is left. Never rejects. */
  readonly done: Promise<ConversionOutcome>;
  /** Its turn has come. */
  begin(): void;
  cancel(reason: string): void;
  kill(): void;
}

export function createConversion(id: string, command: ConversionCommand, file: string, context: ConversionContext): Conversion {
  const { clock, logger } = context;
  const submitted = clock.now();
  const over = new AbortController();
  const what = `the ${command} of "${file}"`;
  let state: Conversion["state"] = "waiting";
  let process: RunningProcess<ToConverter> | undefined;
  let started: number | undefined;
  let ended: number | undefined;
  let progress: ConversionProgressed | undefined;
  let said: ConversionOutcome | undefined;
  let outcome: ConversionOutcome | undefined;
  let cancelReason = "";
  let settle: (outcome: ConversionOutcome) => void = () => undefined;
  const done = new Promise<ConversionOutcome>((resolve) => {
    settle = resolve;
  });

  const conclude = (last: ConversionOutcome): void => {
    over.abort();
    process = undefined;
    state = "ended";
    ended = clock.now();
    outcome = last;
    settle(last);
  };
  const cancelled = (): ConversionOutcome => ({ state: "cancelled", error: supervisorErrors.jobCancelled(`${what} was cancelled: ${cancelReason}`) });
  const receive = (message: FromConverter): void => {
    switch (message.type) {
      case "log":
        context.logSink.write(message.record);
        return;
      case "progress":
        progress = message;
        return;
      case "converted":
        said = { state: "succeeded", result: message };
        return;
      case "failed": {
        const error = errorFromRecord(message.error);
        said = state === "cancelling" && commonErrors.aborted.is(error) ? cancelled() : { state: "failed", error };
        return;
      }
    }
  };
  /** A process that is killed leaves behind what it was writing. */
  const sweep = async (): Promise<void> => {
    if (progress === undefined) return;
    try {
      await rm(progress.temporary, { force: true });
    } catch (error) {
      logger.warn(`what ${what} had written so far cannot be removed: ${messageOf(error)}`, { path: progress.temporary });
    }
  };
  const onEnd = (end: ProcessEnd): void => {
    over.abort();
    if (said !== undefined) {
      conclude(said);
      return;
    }
    const died = supervisorErrors.jobDied(`the process that was to ${command} "${file}" ended with ${describeEnd(end)}`, { signal: end.signal, status: end.code });
    void sweep().then(() => conclude(state === "cancelling" ? cancelled() : { state: "died", error: died }));
  };
  const start = async (): Promise<void> => {
    try {
      const message = await context.startMessage(conversion);
      if (state === "cancelling") {
        conclude(cancelled());
        return;
      }
      process = context.spawn(receive, onEnd);
      // A process that is gone has its end reported by onEnd.
      process.channel.send(message).catch(() => undefined);
    } catch (error) {
      conclude({ state: "failed", error: toMonetaError(error) });
    }
  };
  const conversion: Conversion = {
    id,
    command,
    file,
    submitted,
    done,
    get state() {
      return state;
    },
    get started() {
      return started;
    },
    get ended() {
      return ended;
    },
    get progress() {
      return progress;
    },
    get outcome() {
      return outcome;
    },
    get pid() {
      return process?.pid;
    },
    begin() {
      if (state !== "waiting") return;
      state = "running";
      started = clock.now();
      void start();
    },
    cancel(reason) {
      if (state === "cancelling" || state === "ended") return;
      cancelReason = reason;
      if (state === "waiting") {
        conclude({ state: "cancelled", error: supervisorErrors.jobNotBegun(`${what} waited in line and never began: ${reason}`) });
        return;
      }
      state = "cancelling";
      const own = process;
      if (own === undefined) return;
      own.channel.send({ type: "cancel", reason }).catch(() => undefined);
      clock.sleep(context.cancelGraceMs, over.signal).then(
        () => own.kill(),
        () => undefined, // It ended in time.
      );
    },
    kill() {
      conversion.cancel("the daemon ends at once");
      process?.kill();
    },
  };
  return conversion;
}

/**
 * Conversions of single files for operators: a few at a time, the others in line. They belong to no server, so they are asked for
 * and cancelled by the name of the file, and stand in no line of a server.
 */
import type { Clock } from "../common/index.ts";
import type { Configuration } from "../config/index.ts";
import { fromConverter, type ConversionDone, type ConversionStart, type FromConverter, type ToConverter } from "../ipc/index.ts";
import type { Logger, LogSink } from "../log/index.ts";
import { startProcess } from "./child-process.ts";
import { createConversion, type Conversion, type ConversionCommand, type ConversionContext } from "./conversion.ts";
import { supervisorErrors } from "./errors.ts";
import type { LiveMasterKey } from "./live-master-key.ts";
import { titleOf, titleRoom } from "./process-title.ts";

export interface ConverterOptions {
  /** As it is at the moment. */
  readonly configuration: () => Configuration;
  readonly masterKey: Pick<LiveMasterKey, "refresh">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logSink: Pick<LogSink, "write">;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Converter {
  /** Converts a file; settles when nothing of it runs any more. Throws what the conversion throws, JOB_DIED, JOB_CANCELLED, DAEMON_STOPPING. */
  convert(command: ConversionCommand, file: string): Promise<ConversionDone>;
  /** Those that have no outcome yet, running ones first, then as they stand in line. */
  readonly active: readonly Conversion[];
  /** The one that ended last. */
  readonly last: Conversion | undefined;
  /** Takes no more, cancels all; resolves when none is left. */
  drain(reason: string): Promise<void>;
  kill(): void;
}

/** Processes at the same time; further requests wait. */
const MOST_AT_ONCE = 2;
/** As for jobs. */
const CANCEL_GRACE_MS = 10_000;

export function createConverter(options: ConverterOptions): Converter {
  const logger = options.logger.child("converter");
  const running: Conversion[] = [];
  const waiting: Conversion[] = [];
  let lastId = 0;
  let last: Conversion | undefined;
  let stopping: string | undefined;

  const context: ConversionContext = {
    clock: options.clock,
    logger,
    logSink: options.logSink,
    spawn: (onMessage, onEnd) =>
      startProcess<ToConverter, FromConverter>({
        program: "converter",
        check: fromConverter,
        onMessage,
        onEnd,
        logger,
        // It writes to no repository: a new supervisor need not wait for it.
        lockFd: undefined,
        environment: options.environment,
        titleRoom: titleRoom(options.configuration().main.updateProcessTitle),
      }),
    startMessage: (conversion) => startMessage(options, conversion),
    cancelGraceMs: CANCEL_GRACE_MS,
  };
  const serve = (): void => {
    while (running.length < MOST_AT_ONCE) {
      const next = waiting.shift();
      if (next === undefined) return;
      running.push(next);
      next.begin();
    }
  };
  const leave = (conversion: Conversion): void => {
    for (const list of [running, waiting]) {
      const place = list.indexOf(conversion);
      if (place >= 0) list.splice(place, 1);
    }
    last = conversion;
    serve();
  };
  return {
    async convert(command, file) {
      if (stopping !== undefined) throw supervisorErrors.stopping(`no ${command} of "${file}": ${stopping}`);
      lastId += 1;
      const own = createConversion(`file-${lastId}`, command, file, context);
      waiting.push(own);
      serve();
      const outcome = await own.done;
      leave(own);
      if (outcome.state !== "succeeded") throw outcome.error;
      return outcome.result;
    },
    get active() {
      return [...running, ...waiting].filter(({ state }) => state !== "ended");
    },
    get last() {
      return last;
    },
    async drain(reason) {
      stopping = reason;
      const all = [...waiting, ...running];
      for (const conversion of all) conversion.cancel(reason);
      await Promise.all(all.map(({ done }) => done));
    },
    kill() {
      for (const conversion of [...waiting, ...running]) conversion.kill();
    },
  };
}

async function startMessage({ configuration, masterKey }: ConverterOptions, { command, file }: Conversion): Promise<ConversionStart> {
  const key = await masterKey.refresh();
  const { main } = configuration();
  return {
    type: "start",
    ...titleOf(main.updateProcessTitle, command),
    conversion: command,
    file,
    compression: main.compression.method,
    compressionLevel: main.compressionLevel,
    encryption: main.encryption,
    baseDir: main.baseDir,
    ...(key === undefined ? {} : { masterKey: key.material.toString("base64") }),
  };
}

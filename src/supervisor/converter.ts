/** Conversions of single files for operators: each in a process of its own, so that no file can hold the supervisor up. */
import { createSemaphore, errorFromRecord, type Semaphore } from "../common/index.ts";
import type { Configuration } from "../config/index.ts";
import type { MasterKey } from "../encryption/index.ts";
import {
  fromConverter,
  type ConversionDone,
  type ConversionStart,
  type FromConverter,
  type ToConverter,
} from "../ipc/index.ts";
import type { Logger, LogSink } from "../log/index.ts";
import { describeEnd, startProcess } from "./child-process.ts";
import { supervisorErrors } from "./errors.ts";
import type { LiveMasterKey } from "./live-master-key.ts";
import { titleOf, titleRoom } from "./process-title.ts";

export interface ConverterOptions {
  /** As it is at the moment. */
  readonly configuration: () => Configuration;
  readonly masterKey: LiveMasterKey;
  readonly logger: Logger;
  readonly logSink: LogSink;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Converts a file; settles when the process has ended. Throws what the conversion throws, and JOB_DIED. */
export type Converter = (conversion: ConversionStart["conversion"], file: string) => Promise<ConversionDone>;

/** Processes at the same time; further requests wait. */
const MOST_AT_ONCE = 2;

export function createConverter(options: ConverterOptions): Converter {
  const turns: Semaphore = createSemaphore(MOST_AT_ONCE);
  return (conversion, file) => turns.run(async () => run(options, await options.masterKey.refresh(), conversion, file));
}

function run(
  options: ConverterOptions,
  masterKey: MasterKey | undefined,
  conversion: ConversionStart["conversion"],
  file: string,
): Promise<ConversionDone> {
  const { environment, logger, logSink } = options;
  const { main } = options.configuration();
  return new Promise((resolve, reject) => {
    let outcome: (() => void) | undefined;
    const process = startProcess<ToConverter, FromConverter>({
      program: "converter",
      check: fromConverter,
      onMessage(message) {
        if (message.type === "log") logSink.write(message.record);
        else if (message.type === "failed") outcome = () => reject(errorFromRecord(message.error));
        else outcome = () => resolve(message);
      },
      onEnd(end) {
        if (outcome !== undefined) outcome();
        else
          reject(
            supervisorErrors.jobDied(`the process that was to ${conversion} "${file}" ended with ${describeEnd(end)}`),
          );
      },
      logger: logger.child("converter"),
      // It writes to no repository: a new supervisor need not wait for it.
      lockFd: undefined,
      environment,
      titleRoom: titleRoom(main.updateProcessTitle),
    });
    const start: ConversionStart = {
      type: "start",
      ...titleOf(main.updateProcessTitle, conversion),
      conversion,
      file,
      compression: main.compression.method,
      compressionLevel: main.compressionLevel,
      encryption: main.encryption,
      baseDir: main.baseDir,
      ...(masterKey === undefined ? {} : { masterKey: masterKey.material.toString("base64") }),
    };
    // A process that is gone has its end reported by onEnd.
    process.channel.send(start).catch(() => undefined);
  });
}

/**
 * `compress`, `decompress`, `encrypt` and `decrypt` where no daemon can be reached: done here, with what pgmoneta.conf
 * says if there is one that can be read, and with the master key of this account.
 */
import { join } from "node:path";
import { toMonetaError } from "../common/index.ts";
import { loadConfiguration, type Configuration } from "../config/index.ts";
import { convert, formOf, type Conversion } from "../convert/index.ts";
import type { KeyRing } from "../encryption/index.ts";
import { conversionResponse } from "../management/index.ts";
import type { ManagementResponse, OutputFormat } from "../management/index.ts";
import { readAllDataKeys } from "../repository/index.ts";
import { openLocalStorage } from "../storage/index.ts";
import { masterKeyExists, masterKeySource, readMasterKey } from "../vault/index.ts";
import { answerHere } from "./answer-here.ts";
import type { Invocation } from "./invocation.ts";
import type { Terminal } from "./terminal.ts";

const WORKERS = 2;

async function configurationIfThere({ options }: Invocation, terminal: Terminal): Promise<Configuration | undefined> {
  try {
    const { configuration } = await loadConfiguration({
      directory: options.directory,
      environment: terminal.environment,
      purpose: "offline",
      ...(terminal.defaultDirectory === undefined ? {} : { defaultDirectory: terminal.defaultDirectory }),
    });
    return configuration;
  } catch (error) {
    const why = toMonetaError(error).message;
    terminal.stderr.write(`moneta-cli: working without a configuration (${why}): zstd, AES-256, and no data keys\n`);
    return undefined;
  }
}

/** Converts the file here. A failure is an answer with a failed outcome. */
export function convertHere(
  conversion: Conversion,
  invocation: Invocation,
  format: OutputFormat,
  terminal: Terminal,
): Promise<ManagementResponse> {
  return answerHere(invocation, format, terminal, async () => {
    const main = (await configurationIfThere(invocation, terminal))?.main;
    const keyFile = main?.masterKeyFile ?? join(terminal.homeDirectory, ".pgmoneta", "master.key");
    const keys = async (): Promise<KeyRing> => {
      if (main !== undefined) return readAllDataKeys(openLocalStorage(main.baseDir), masterKeySource(keyFile));
      const master = (await masterKeyExists(keyFile)) ? await readMasterKey(keyFile) : undefined;
      return Object.assign(() => undefined, { master });
    };
    const form = formOf(main?.compression.method ?? "none", main?.compressionLevel ?? 0, main?.encryption ?? "none");
    const done = await convert(
      {
        conversion,
        file: String(invocation.fields.SourceFile),
        ...form,
        masterKey: once(() => readMasterKey(keyFile)),
        keys,
        repository: main?.baseDir,
        workers: WORKERS,
      },
      terminal.interrupted,
    );
    return conversionResponse(done);
  });
}

/** Deriving the key takes a fifth of a second. */
function once<T>(read: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= read());
}

/**
 * The configuration of a daemon that runs: read again, changed by a key, put in force. All of it is valid and every part of the
 * daemon is ready, or nothing changes. One change at a time.
 */
import { createSemaphore, messageOf } from "../common/index.ts";
import {
  applicable,
  configErrors,
  editConfigurationFile,
  formatProblem,
  setValue,
  type ConfigurationDifference,
  type KeyChange,
  type LoadedConfiguration,
  type ValuePlace,
} from "../config/index.ts";
import type { Logger } from "../log/index.ts";
import { supervisorErrors } from "./errors.ts";
import type { ConfigurationChange, PreparedPart, ReloadPart } from "./reload-part.ts";

/** Where the configuration comes from. */
export interface ReloadSource {
  /** What the daemon was started with. */
  readonly loaded: LoadedConfiguration;
  /** Reads and checks all files as at the start; `mainText` stands for the content of the main file. */
  read(mainText?: string): Promise<LoadedConfiguration>;
}

export interface ReloadReport {
  readonly difference: ConfigurationDifference;
  /** What else an operator should know of it, in sentences. */
  readonly effects: readonly string[];
  readonly warnings: readonly string[];
}

export interface SetReport {
  /** Undefined when the key has that value already. */
  readonly change: KeyChange | undefined;
  /** The value is in the file, and the daemon goes on with the old one until it is started again. */
  readonly needsRestart: boolean;
  /** The file it was written to. */
  readonly saved: string | undefined;
  readonly effects: readonly string[];
}

export interface Reloads {
  /** What is in force. */
  running(): LoadedConfiguration;
  /** Reads the files again. Throws why they cannot be put in force. */
  reload(): Promise<ReloadReport>;
  /**
   * Changes one key, until the next reload reads the file, or with `save` in the file too. Throws `CONFIGURATION_REFUSED`,
   * `CONFIGURATION_NEEDS_RESTART`, `CONFIGURATION_NOT_SAVED`, and what parts of the daemon have against it.
   */
  set(key: ValuePlace, value: string, save: boolean): Promise<SetReport>;
}

export interface ReloadsOptions {
  readonly source: ReloadSource;
  readonly parts: readonly ReloadPart[];
  /** Whether the daemon is stopping. */
  readonly stopping: () => boolean;
  readonly logger: Logger;
}

export function createReloads({ source, parts, stopping, logger }: ReloadsOptions): Reloads {
  let running = source.loaded;
  const turns = createSemaphore(1);

  const refuseAtTheEnd = (): void => {
    if (stopping()) throw supervisorErrors.stopping("the configuration is not changed any more: the daemon stops");
  };

  /** Has every part ready, or none. */
  async function prepareAll(change: ConfigurationChange): Promise<PreparedPart[]> {
    const prepared: PreparedPart[] = [];
    try {
      for (const part of parts) prepared.push(await part.prepare(change));
      refuseAtTheEnd();
      return prepared;
    } catch (error) {
      await abandonAll(prepared);
      throw error;
    }
  }

  async function abandonAll(prepared: readonly PreparedPart[]): Promise<void> {
    for (const part of prepared.toReversed()) {
      await part.abandon().catch((error: unknown) => logger.error(`a part of a change that was not made could not be let go: ${messageOf(error)}`));
    }
  }

  /** In one turn of the event loop. */
  function commitAll(prepared: readonly PreparedPart[], after: LoadedConfiguration): void {
    running = after;
    const failures: string[] = [];
    for (const [index, part] of prepared.entries()) {
      try {
        part.commit();
      } catch (error) {
        failures.push(`${parts[index]?.name ?? "a part"}: ${messageOf(error)}`);
      }
    }
    if (failures.length > 0) throw supervisorErrors.reloadIncomplete(`the configuration is in force but for ${failures.join("; ")}`);
  }

  async function reloadNow(): Promise<ReloadReport> {
    refuseAtTheEnd();
    const wanted = await source.read();
    const { difference, loaded } = applicable(running, wanted);
    const prepared = await prepareAll({ before: running, after: loaded, difference });
    commitAll(prepared, loaded);
    const warnings = loaded.warnings.map(formatProblem);
    const effects = prepared.flatMap((part) => part.effects ?? []);
    tell(difference, effects, warnings);
    return { difference, effects, warnings };
  }

  function tell({ added, changed, needRestart, removed }: ConfigurationDifference, effects: readonly string[], warnings: readonly string[]): void {
    for (const warning of warnings) logger.warn(warning);
    for (const change of changed) logger.info(`${describeChange(change)}`);
    for (const change of needRestart) logger.warn(`${describeChange(change)}: needs a restart, until then the value stays as it was`);
    for (const name of added) logger.info(`server ${name} is new`);
    for (const name of removed) logger.info(`server ${name} is not in the configuration any more`);
    for (const effect of effects) logger.info(effect);
    logger.info("the configuration was read again and is in force", {
      changed: changed.length,
      needRestart: needRestart.length,
      added: added.length,
      removed: removed.length,
    });
  }

  async function setNow(key: ValuePlace, value: string, save: boolean): Promise<SetReport> {
    refuseAtTheEnd();
    const { main: file } = running.configuration.files;
    const wanted = await readAsked(source, file, setValue(file, running.source.text, key, value));
    const { difference, loaded } = applicable(running, wanted);
    const own = (change: KeyChange): boolean => change.section === key.section && change.key === key.key;
    const waiting = difference.needRestart.find(own);
    if (waiting !== undefined && !save) {
      throw configErrors.needsRestart(`${nameOf(key)} cannot be changed in a daemon that runs: it is ${waiting.before ?? "not set"}`, {
        key: key.key,
        section: key.section,
      });
    }
    const prepared = await prepareAll({ before: running, after: loaded, difference });
    try {
      if (save) await saveTo(file, key, value);
      refuseAtTheEnd();
    } catch (error) {
      await abandonAll(prepared);
      throw error;
    }
    commitAll(prepared, loaded);
    const change = waiting ?? difference.changed.find(own);
    const effects = prepared.flatMap((part) => part.effects ?? []);
    logger.warn(`conf set: ${change === undefined ? `${nameOf(key)} stays as it is` : describeChange(change)}`, {
      saved: save,
      restart: waiting !== undefined,
    });
    for (const effect of effects) logger.info(effect);
    return { change, needsRestart: waiting !== undefined, saved: save ? file : undefined, effects };
  }

  /** Changes that one key in the file as it is now, and nothing that somebody else changed there. */
  async function saveTo(file: string, key: ValuePlace, value: string): Promise<void> {
    await editConfigurationFile(file, async (text) => {
      const edited = setValue(file, text, key, value);
      // What is saved is what the next start reads: it must not be refused then.
      await source.read(edited);
      return edited;
    });
  }

  return {
    running: () => running,
    reload: () => turns.run(reloadNow),
    set: (key, value, save) => turns.run(() => setNow(key, value, save)),
  };
}

const nameOf = ({ section, key }: ValuePlace): string => (section === "pgmoneta" ? key : `server.${section}.${key}`);

const describeChange = ({ after, before, ...key }: KeyChange): string => `${nameOf(key)}: ${before ?? "not set"} → ${after ?? "not set"}`;

/** The configuration with the key changed; what is wrong with it is told without a line, because it is in no file yet. */
async function readAsked(source: ReloadSource, file: string, text: string): Promise<LoadedConfiguration> {
  try {
    return await source.read(text);
  } catch (error) {
    if (!configErrors.invalid.is(error)) throw error;
    const [, ...problems] = messageOf(error).split("\n");
    const own = problems.map((problem) => (problem.startsWith(`${file}:`) ? problem.slice(file.length + 1).replace(/^\d+: /, "").trim() : problem));
    // Without its cause, which says the same again with the line of a file that does not have it.
    throw configErrors.refused(own.join("; "));
  }
}

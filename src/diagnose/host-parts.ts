/** What a bundle has of the machine of the daemon, whether a daemon collects it or a command without one. */
import type { Storage } from "../storage/index.ts";
import { readLogTail, type LogPlace } from "./log-tail.ts";
import { describeLimits, describeMachine, describeRoom } from "./machine.ts";
import type { PartPlan } from "./part.ts";
import { describePrograms, type ProgramSearch } from "./programs.ts";
import { repositoryPlans, type DiagnosedServer } from "./repository-parts.ts";

export interface HostFacts {
  /** Of Moneta. */
  readonly version: string;
  /** `process.versions`. */
  readonly versions: Readonly<Record<string, string | undefined>>;
  /** The process whose limits count. */
  readonly pid: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface Installation {
  /** Undefined where somebody else has its lines. */
  readonly log: LogPlace | undefined;
  /** Paths whose file systems matter. */
  readonly places: readonly string[];
  readonly programs: ProgramSearch;
  readonly storage: Storage;
  readonly servers: readonly DiagnosedServer[];
}

/** Servers whose repository is looked at. */
export const mostServers = 50;

/** What needs no configuration. */
export function machinePlans({ pid, version, versions }: HostFacts): readonly PartPlan[] {
  return [
    { name: "machine/system.json", about: "versions of Moneta, Node and the system, processors and memory", produce: () => describeMachine(version, versions) },
    { name: "machine/limits.txt", about: "what the kernel allows the process: open files, memory, processes", produce: () => describeLimits(pid) },
  ];
}

/** A file system that does not answer keeps whoever asks it, and they may all be on one. */
const disks = "disks";

/** What the configuration leads to. */
export function installationPlans({ log, places, programs, servers, storage }: Installation, { now }: HostFacts): readonly PartPlan[] {
  return [
    { place: disks, name: "machine/room.json", about: "free bytes and inodes where the repository and the other directories are", produce: () => describeRoom(places) },
    { name: "machine/programs.txt", about: "programs of PostgreSQL and of the system that were found, with their versions", produce: (signal) => describePrograms(programs, signal) },
    ...(log === undefined ? [] : [{ place: disks, name: "log/moneta.log", about: "the end of the log file", produce: () => readLogTail(log, now) }]),
    ...servers.slice(0, mostServers).flatMap((server) => repositoryPlans(storage, server).map((plan) => ({ ...plan, place: disks }))),
  ];
}

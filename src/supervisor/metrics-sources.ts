/** Whom and what the metrics look at: the processes of the daemon, directories besides the repository, and whether it is ready. */
import type { ProblemSummary } from "../management/index.ts";
import type { Converter } from "./converter.ts";
import type { Core } from "./core.ts";
import { supervisorErrors } from "./errors.ts";
import type { Prober } from "./prober.ts";
import type { KnownProcess } from "./process-facts.ts";
import type { SupervisedServer } from "./server.ts";

/** Directories of a server outside the repository, whose file systems the metrics show. */
export function otherPlaces({ options }: Pick<SupervisedServer, "options">): readonly string[] {
  return [...(options.walShipping === undefined ? [] : [options.walShipping]), ...(options.hotStandby ?? [])];
}

/** Directories whose size nobody tells: jobs fill them, or another daemon does. */
export function measuredTrees({ options }: Pick<SupervisedServer, "options">): readonly string[] {
  return [options.workspace, ...(options.walShipping === undefined ? [] : [options.walShipping])];
}

export interface ProcessSources extends Pick<Core, "jobs" | "servers"> {
  readonly converter: Pick<Converter, "active">;
  readonly prober: Pick<Prober, "running">;
}

/** All that run now; a file that is being converted belongs to no server. */
export function processesOf({ converter, jobs, prober, servers }: ProcessSources, pid: number): readonly KnownProcess[] {
  const found: KnownProcess[] = [{ pid, kind: "supervisor", server: "", command: "" }];
  for (const { name, receiver } of servers) {
    const receiverPid = receiver.child.pid;
    if (receiverPid !== undefined) found.push({ pid: receiverPid, kind: "receiver", server: name, command: "" });
    for (const job of jobs.active(name)) {
      if (job.pid !== undefined) found.push({ pid: job.pid, kind: "job", server: name, command: job.command });
    }
  }
  for (const { command, pid: own } of converter.active) if (own !== undefined) found.push({ pid: own, kind: "converter", server: "", command });
  for (const { pid: own, server } of prober.running) found.push({ pid: own, kind: "prober", server, command: "" });
  return found;
}

/**
 * Why the daemon cannot do what it is for; what is wrong with one server is no reason, the others go on. A forecast is none
 * either: a file system that fills up still takes what comes.
 */
export function whyNotReady(started: boolean, stopping: boolean, ofRepository: readonly ProblemSummary[]): readonly string[] {
  if (stopping) return ["the daemon is stopping"];
  if (!started) return ["the daemon is starting"];
  return ofRepository.filter(({ code }) => code === supervisorErrors.storageSilent.spec.code).map(({ message }) => message);
}

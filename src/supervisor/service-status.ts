/** The state of the daemon in one line, for `systemctl status`. */
import type { Job } from "./job.ts";
import { jobTraits } from "./job-table.ts";
import type { SupervisedServer } from "./server.ts";
import { problemsOf, streamOf, type StatusSources } from "./status.ts";

/** So many names are written out. */
const mostNames = 5;

function listed(names: readonly string[]): string {
  const more = names.length - mostNames;
  return `${names.slice(0, mostNames).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Whose WAL is not received: a server that follows another one waits for nothing else. */
function notStreaming(server: SupervisedServer): boolean {
  const { state } = streamOf(server, server.state());
  return state !== "streaming" && state !== "following";
}

/** Servers whose WAL comes in and those whose does not, jobs of operators, and the codes of what is wrong. All from memory. */
export function serviceStatus(servers: readonly SupervisedServer[], sources: StatusSources): string {
  const silent = servers.filter(notStreaming);
  const jobs = servers.flatMap(({ name }) => sources.activeJobs(name)).filter(({ command }) => jobTraits[command].visible);
  const running = jobs.filter(({ state }) => state !== "waiting");
  const waiting = jobs.length - running.length;
  const problems = servers.flatMap((server) => [...new Set(problemsOf(server, server.state(), sources).map(({ code }) => `${code} of ${server.name}`))]);
  const streaming = servers.length - silent.length;
  return [
    `WAL of ${streaming} of ${servers.length} ${servers.length === 1 ? "server" : "servers"} is received${silent.length === 0 ? "" : `, not of ${listed(silent.map(({ name }) => name))}`}`,
    ...(running.length === 0 ? [] : [`running: ${listed(running.map(describe))}`]),
    ...(waiting === 0 ? [] : [`${waiting} waiting`]),
    ...(problems.length === 0 ? [] : [`problems: ${listed(problems)}`]),
  ].join("; ");
}

const describe = ({ command, server }: Job): string => `${command} of ${server}`;

/**
 * `lineage`: shows the clusters that a server was, and makes the one that has taken its place the present one. The change is a job that
 * runs alone; the receiver, which is none, is stopped for it and started again.
 */
import type { JsonValue } from "../ipc/index.ts";
import {
  lineageResponse,
  managementErrors,
  type LineageSummary,
  type ManagementRequest,
  type ResponseResult,
} from "../management/index.ts";
import type { CatalogEntry } from "../repository/index.ts";
import { walErrors } from "../wal/index.ts";
import type { HandlerContext } from "./handler-context.ts";
import { formerBytes, lineageProblems, type FormerLineage } from "./lineages.ts";
import type { SupervisedServer } from "./server.ts";
import { identityOf } from "./status.ts";

function summaryOf(
  id: string,
  present: boolean,
  { segmentSize, bytes }: Pick<FormerLineage, "segmentSize" | "bytes">,
  entries: readonly CatalogEntry[],
): LineageSummary {
  const own = entries.filter(({ info }) => info?.own?.systemIdentifier === id);
  return {
    systemIdentifier: id,
    present,
    segmentSize,
    walBytes: bytes,
    backups: own.map(({ label, state, info }) => ({ label, valid: state === "valid", majorVersion: info?.majorVersion ?? 0 })),
  };
}

export async function handleLineage(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  const { Action: action, SystemIdentifier: expected } = request.fields;
  if (typeof action === "string" && action !== "accept") {
    throw managementErrors.actionUnknown(`the action ${JSON.stringify(action)} is not accept`, { action });
  }
  if (typeof expected === "string" && !/^[0-9]{1,20}$/.test(expected)) {
    throw managementErrors.requestInvalid(`"${expected}" is no system identifier: pg_controldata shows it, a number`, { field: "SystemIdentifier" });
  }
  const accepted = action === "accept" ? await accept(server, typeof expected === "string" ? expected : null, context) : undefined;
  const entries = await context.catalog.refresh(server.name);
  const lineages = await context.lineages.read(server);
  const { present, former, segmentSize } = lineages;
  const others = [...former].map(([id, facts]) => summaryOf(id, false, facts, entries));
  const now = { segmentSize, bytes: server.state().walBytes - formerBytes({ lineages }) };
  const stranger = walErrors.otherCluster.is(server.problem) ? String(server.problem.details["found"]) : undefined;
  return {
    status: true,
    response: lineageResponse(identityOf(server), {
      lineages: [...(present === undefined ? [] : [summaryOf(present, true, now, entries)]), ...others],
      stranger,
      accepted,
      warnings: lineageProblems({ name: server.name, lineages }, entries).map(({ message, hint }) => `${message}. ${hint}`),
    }),
  };
}

/** Housekeeping that would stay for a minute has nothing to do for a cluster that is gone. */
const idle = ["archive-wal", "ship-wal"] as const;

const textOf = (fact: JsonValue | undefined): string => (typeof fact === "string" ? fact : "");

async function accept(
  server: SupervisedServer,
  expected: string | null,
  context: HandlerContext,
): Promise<{ readonly from: string; readonly to: string; readonly returned: boolean }> {
  const { jobs, lineages } = context;
  if (server.state().receiver === "streaming" && server.receiver.child.state === "running") {
    throw walErrors.lineageRefused(`WAL of ${server.name} is being received from the very cluster whose WAL is stored: there is nothing to accept`, {
      server: server.name,
    });
  }
  await server.receiver.child.drain();
  try {
    const job = jobs.submit(server.name, { command: "lineage", expected });
    for (const command of idle) for (const one of jobs.active(server.name, command)) one.cancel("another cluster takes the place of the one before");
    const outcome = await job.done;
    if (outcome.state !== "succeeded") throw outcome.error;
    await lineages.lookAnew(server);
    const { from, to, returned } = outcome.result.facts;
    return { from: textOf(from), to: textOf(to), returned: returned === true };
  } finally {
    server.archiver.wake();
    server.secondCopy?.wake();
    if (server.online && !jobs.stopping) server.receiver.child.start();
  }
}

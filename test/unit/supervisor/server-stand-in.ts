/** A server of the daemon as those see it who only read: one that streams, unless the test says otherwise. */
import { createSegment, openStateReader, openStateWriter, type ServerState } from "../../../src/state/index.ts";
import type { SupervisedServer } from "../../../src/supervisor/server.ts";

/** @param values its record, where it differs from that of a new server that streams; `more` what it is besides, parts allowed */
export function serverWith(values: Partial<ServerState> = {}, more: object = {}): SupervisedServer {
  const segment = createSegment({ servers: 1, jobs: 0 });
  openStateWriter(segment).server(0).set({ receiver: "streaming", ...values });
  return {
    name: "primary",
    online: true,
    problem: undefined,
    findings: [],
    drills: [],
    schedules: [],
    lineages: { present: undefined, former: new Map() },
    options: { walSlot: "moneta", workers: 2, workspace: "/w", retention: { kind: "calendar", days: 7 } },
    receiver: { child: { state: "running" } },
    state: () => openStateReader(segment).server(0),
    ...more,
  } as unknown as SupervisedServer;
}

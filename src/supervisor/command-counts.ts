/** Counts the commands of operators, for the metrics. */
import type { Clock } from "../common/index.ts";
import type { ManagementHandler } from "../management/index.ts";
import type { OperationFacts } from "../metrics/index.ts";

export interface CommandCounts {
  readonly commands: () => { readonly command: string; readonly succeeded: number; readonly failed: number }[];
  readonly operations: (server: string) => OperationFacts;
  /** The handler, counted. Servers that are not known count for nobody. */
  around(handler: ManagementHandler, isServer: (name: string) => boolean): ManagementHandler;
}

const noOperations: OperationFacts = { count: 0, failed: 0, last: undefined, lastFailed: undefined };

export function createCommandCounts(clock: Pick<Clock, "now">): CommandCounts {
  const commands = new Map<string, { command: string; succeeded: number; failed: number }>();
  const servers = new Map<string, OperationFacts>();
  const note = (command: string, server: string | undefined, succeeded: boolean): void => {
    const counts = commands.get(command) ?? { command, succeeded: 0, failed: 0 };
    counts[succeeded ? "succeeded" : "failed"] += 1;
    commands.set(command, counts);
    if (server === undefined) return;
    const before = servers.get(server) ?? noOperations;
    const now = clock.now();
    servers.set(server, {
      count: before.count + 1,
      last: now,
      failed: before.failed + (succeeded ? 0 : 1),
      lastFailed: succeeded ? before.lastFailed : now,
    });
  };
  return {
    commands: () => [...commands.values()],
    operations: (server) => servers.get(server) ?? noOperations,
    around: (handler, isServer) => async (request, session) => {
      const name = request.fields["Server"];
      const server = typeof name === "string" && isServer(name) ? name : undefined;
      try {
        const result = await handler(request, session);
        note(request.command, server, result.status);
        return result;
      } catch (error) {
        note(request.command, server, false);
        throw error;
      }
    },
  };
}

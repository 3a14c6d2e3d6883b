/**
 * The servers that the daemon looks after, by name. One that a reload takes out of the configuration is let go: nothing new of it
 * begins, what runs of it comes to its end, and until then it is still known here.
 */
import { managementErrors } from "../management/index.ts";
import { supervisorErrors } from "./errors.ts";
import type { SupervisedServer } from "./server.ts";

export interface ServerSet {
  /** In the order of the configuration; the same array for ever, whose content a reload changes. */
  readonly servers: readonly SupervisedServer[];
  /** Those that are not in the configuration any more, and of which something still runs. */
  readonly retiring: () => readonly SupervisedServer[];
  /** One of either, or one that is being made ready. */
  find(name: string): SupervisedServer | undefined;
  /** The same; throws `SERVER_UNKNOWN`. */
  get(name: string): SupervisedServer;
  /** A place in the state for one more server. Throws `SERVERS_EXHAUSTED`. */
  takeIndex(): number;
  /** Makes a server known that is not in service yet. */
  announce(server: SupervisedServer): void;
  /** It is not needed after all. */
  withdraw(server: SupervisedServer): void;
  /** From now on the servers are these, in this order; returns those that were let go. */
  replace(servers: readonly SupervisedServer[]): readonly SupervisedServer[];
  /** Nothing of it runs any more. */
  forget(server: SupervisedServer): void;
}

/** @param capacity how many servers the state has room for */
export function createServerSet(capacity: number): ServerSet {
  const servers: SupervisedServer[] = [];
  const retiring = new Map<string, SupervisedServer>();
  const announced = new Map<string, SupervisedServer>();
  /** Places in the state that are in use. */
  const taken = new Set<number>();

  const find = (name: string): SupervisedServer | undefined =>
    servers.find((server) => server.name === name) ?? announced.get(name) ?? retiring.get(name);
  return {
    servers,
    retiring: () => [...retiring.values()],
    find,
    get(name) {
      const server = find(name);
      if (server === undefined) throw managementErrors.serverUnknown(`there is no server ${name}`, { server: name });
      return server;
    },
    takeIndex() {
      for (let index = 0; index < capacity; index += 1) {
        if (taken.has(index)) continue;
        taken.add(index);
        return index;
      }
      throw supervisorErrors.serversExhausted(`a daemon that was started with fewer servers has room for ${capacity} of them`, { capacity });
    },
    announce: (server) => void announced.set(server.name, server),
    withdraw(server) {
      announced.delete(server.name);
      taken.delete(server.index);
    },
    replace(wanted) {
      const gone = servers.filter((server) => !wanted.includes(server));
      servers.splice(0, servers.length, ...wanted);
      announced.clear();
      for (const server of wanted) retiring.delete(server.name);
      for (const server of gone) retiring.set(server.name, server);
      return gone;
    },
    forget(server) {
      if (retiring.get(server.name) !== server) return;
      retiring.delete(server.name);
      taken.delete(server.index);
    },
  };
}

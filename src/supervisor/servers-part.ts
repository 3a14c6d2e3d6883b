/**
 * What a reload does to servers. Those that stay as they are go on without noticing; a connection that is different restarts
 * the receiver of that server alone; new ones are looked at before anything is in force; those that are gone are let go.
 */
import type { Configuration, ServerOptions } from "../config/index.ts";
import type { RepositorySettings, Secrets, ServerSettings } from "../ipc/index.ts";
import { blankRecord, buildServer, equip, hotStandbyOf, joinFollow, secondCopyOf, type BuildContext } from "./build-server.ts";
import { hotStandbyRequest } from "./hot-standby.ts";
import type { Jobs } from "./jobs.ts";
import type { ConfigurationChange, PreparedPart, ReloadPart } from "./reload-part.ts";
import type { SupervisedServer } from "./server.ts";
import type { ServerSet } from "./server-set.ts";

/** What follows from the configuration for a child of a server. */
export interface StartSettings {
  readonly server: ServerSettings;
  readonly repository: RepositorySettings;
  readonly secrets: Secrets;
}

export interface ServersSurroundings {
  /** Ends everything. */
  readonly signal: AbortSignal;
  /** Looks at what is stored of a server that is new; whether crashed jobs left something. */
  readonly look: (server: SupervisedServer) => Promise<boolean>;
  /** Has everything of a new server run. */
  readonly begin: (server: SupervisedServer, remains: boolean) => void;
}

export interface ServersPartOptions extends ServersSurroundings {
  readonly set: ServerSet;
  readonly context: BuildContext;
  readonly jobs: Jobs;
  readonly settingsOf: (server: Pick<SupervisedServer, "name">, configuration: Configuration, options: ServerOptions) => StartSettings;
  /** Puts the configuration in force, and tells every process. */
  readonly adopt: (configuration: Configuration) => void;
}

/** What is wanted of a server that was there before, once the change is in force. */
interface Consequences {
  readonly receiver: boolean;
  readonly archiver: boolean;
  readonly secondCopy: boolean;
  readonly hotStandby: boolean;
}

const different = (one: unknown, other: unknown): boolean => JSON.stringify(one) !== JSON.stringify(other);

function consequencesFor(server: SupervisedServer, after: ServerOptions, change: ConfigurationChange, { settingsOf }: ServersPartOptions): Consequences {
  const before = server.options;
  const [old, now] = [
    settingsOf(server, change.before.configuration, before),
    settingsOf(server, change.after.configuration, after),
  ];
  // Other files of the host and programs around jobs are none of its business.
  const forReceiver = ({ server: settings, secrets }: StartSettings, { follow }: ServerOptions): unknown => [
    { ...settings, extra: undefined, hooks: undefined, hookTimeoutMs: undefined },
    secrets.password,
    follow,
  ];
  return {
    receiver: different(forReceiver(old, before), forReceiver(now, after)),
    archiver: different([old.repository, old.server.hooks, old.server.hookTimeoutMs, before.workers], [now.repository, now.server.hooks, now.server.hookTimeoutMs, after.workers]),
    secondCopy: before.walShipping !== after.walShipping,
    hotStandby: different(hotStandbyRequest(before), hotStandbyRequest(after)),
  };
}

/** What becomes of receivers and slots, for whoever asked for the change. */
function effectsOf(change: ConfigurationChange, options: ServersPartOptions): string[] {
  return options.set.servers.flatMap((server) => {
    const { name } = server;
    const after = change.after.configuration.servers.find((own) => own.name === name);
    if (after === undefined) return [slotStays(server.options, "is not in the configuration any more, and what is stored of it stays")];
    const begins = consequencesFor(server, after, change, options).receiver ? [`the receiver of ${name} connects anew`] : [];
    return server.options.walSlot === after.walSlot ? begins : [...begins, slotStays(server.options, "has another slot")];
  });
}

const slotStays = ({ name, walSlot }: ServerOptions, why: string): string =>
  `${name} ${why}: the slot ${walSlot} stays on its PostgreSQL server and keeps WAL there until it is dropped: SELECT pg_drop_replication_slot('${walSlot}')`;

export function createServersPart(options: ServersPartOptions): ReloadPart {
  const { context, jobs, set } = options;

  function applyTo(server: SupervisedServer, after: ServerOptions, { archiver, hotStandby, secondCopy }: Consequences): void {
    server.options = after;
    if (archiver) server.archiver.renew();
    if (secondCopy) {
      server.secondCopy?.stop();
      for (const job of jobs.active(server.name, "ship-wal")) job.cancel("wal_shipping has another value");
      server.secondCopy = secondCopyOf(after, context);
      server.secondCopy?.wake();
    }
    if (hotStandby) {
      server.hotStandby?.dismiss();
      const running = jobs.active(server.name, "hot-standby");
      for (const job of running) job.cancel("hot_standby has another value");
      const next = hotStandbyOf(after, context);
      server.hotStandby = next;
      // Two of them must not work in one directory.
      void Promise.all(running.map((job) => job.done)).then(() => next?.wake());
    }
  }

  function retire(server: SupervisedServer): void {
    server.secondCopy?.stop();
    server.hotStandby?.stop();
    server.follow?.stop();
    for (const job of jobs.active(server.name)) {
      if (job.state === "waiting") job.cancel("the server is not in the configuration any more");
      else context.logger.info(`job ${job.id} (${job.command} of ${job.server}) goes on to its end, though its server is not in the configuration any more`);
    }
    // A backup that runs is nothing without the WAL that comes until its end.
    const backups = jobs.active(server.name, "backup").filter(({ state }) => state !== "waiting");
    void Promise.all(backups.map((job) => job.done)).then(async () => {
      if (!set.retiring().includes(server)) return;
      await server.receiver.child.drain();
      if (!set.retiring().includes(server)) return;
      // What is complete gets its final form, which may be encryption; nothing comes after it.
      server.archiver.wake();
      server.archiver.stop();
      letGo(server, options);
    });
  }

  function restart(server: SupervisedServer): void {
    const { child } = server.receiver;
    // One that is on its way out anyway, or is kept from running for a while, learns it when it is started again.
    if (child.state === "stopped" || child.state === "draining" || !server.online) return;
    void child.drain();
    child.start();
  }

  return {
    name: "the servers",
    async prepare(change): Promise<PreparedPart> {
      const wanted = change.after.configuration.servers;
      const fresh: { readonly server: SupervisedServer; readonly remains: boolean }[] = [];
      const abandon = async (): Promise<void> => {
        for (const { server } of fresh) {
          blankRecord(server.index, context);
          set.withdraw(server);
        }
      };
      try {
        for (const own of wanted) {
          // What still runs of it goes on being its own.
          if (set.find(own.name) !== undefined) continue;
          const server = await buildServer(set.takeIndex(), own, context);
          set.announce(server);
          fresh.push({ server, remains: false });
          const remains = await options.look(server);
          fresh.splice(-1, 1, { server, remains });
        }
      } catch (error) {
        await abandon();
        throw error;
      }
      const effects = effectsOf(change, options);
      return {
        effects,
        abandon,
        commit() {
          const consequences = new Map(
            wanted.flatMap((own) => {
              const server = [...set.servers, ...set.retiring()].find(({ name }) => name === own.name);
              return server === undefined ? [] : [[server, consequencesFor(server, own, change, options)] as const];
            }),
          );
          const revived = set.retiring().filter(({ name }) => wanted.some((own) => own.name === name));
          const gone = set.replace(wanted.map(({ name }) => set.get(name)));
          for (const own of wanted) {
            const server = set.get(own.name);
            const known = consequences.get(server);
            if (known === undefined || revived.includes(server)) server.options = own;
            else applyTo(server, own, known);
          }
          for (const server of set.servers) {
            const { follow } = server.options;
            if (server.follow?.followed === follow) continue;
            joinFollow(server, follow === undefined ? undefined : set.get(follow), context);
            server.follow?.start(options.signal);
          }
          options.adopt(change.after.configuration);
          for (const [server, { receiver }] of consequences) if (receiver) restart(server);
          for (const server of gone) retire(server);
          for (const server of revived) {
            for (const command of ["archive-wal", "ship-wal"] as const) for (const job of jobs.active(server.name, command)) job.cancel("the server is in the configuration again");
            equip(server, context);
            options.begin(server, false);
          }
          for (const { server, remains } of fresh) options.begin(server, remains);
        },
      };
    },
  };
}

/** Forgets a server that was let go, when nothing of it runs any more. */
export function letGo(server: SupervisedServer, { context, jobs, set }: Pick<ServersPartOptions, "context" | "jobs" | "set">): void {
  if (!set.retiring().includes(server)) return;
  if (server.receiver.child.state !== "stopped" || jobs.active(server.name).length > 0) return;
  set.forget(server);
  blankRecord(server.index, context);
  context.logger.info(`nothing of ${server.name} runs any more`, { server: server.name });
}

/** Our families about the WAL of a server: how far behind it is, how it comes, and what is missing. */
import { flushBounds, flushBuckets, serverFields } from "../state/index.ts";
import type { ServerFacts } from "./facts.ts";
import { flag, perServer, perServerWith, perState, seconds, serverLabel, type Family } from "./family.ts";

const known = ({ state }: ServerFacts): boolean => state.timeline > 0;

export const walFamilies: readonly Family[] = [
  perServer("moneta_wal_lag_bytes", "gauge", "WAL that the server has, as it last said, and that is not durable here", (server) => {
    if (!known(server)) return undefined;
    const { serverEndLsn, flushLsn } = server.state;
    return serverEndLsn > flushLsn ? serverEndLsn - flushLsn : 0n;
  }),
  perServer("moneta_wal_lag_seconds", "gauge", "Age of the newest moment of which everything that the server had flushed is proven to be durable here: what a failure of the server could cost; a few seconds when all is well, and it grows while nothing is received", ({ state }, { now }) =>
    state.coveredTime === 0 ? undefined : Math.max(0, seconds(now - state.coveredTime)),
  ),
  perServer("moneta_wal_covered_time_seconds", "gauge", "That moment itself, by the clock of the server", ({ state }) => (state.coveredTime === 0 ? undefined : seconds(state.coveredTime))),
  perServer("moneta_wal_received_bytes_total", "counter", "Bytes of WAL received since the daemon started", ({ state }) => state.receivedBytes),
  perServer("moneta_wal_flush_position_bytes", "gauge", "Position up to which WAL is durable here, as a number of bytes", (server) => (known(server) ? server.state.flushLsn : undefined)),
  perServer("moneta_wal_server_position_bytes", "gauge", "Position of the server as it last said, as a number of bytes", (server) => (known(server) ? server.state.serverEndLsn : undefined)),
  {
    name: "moneta_wal_flush_duration_seconds",
    type: "histogram",
    help: "How long the system took to make received WAL durable (fdatasync), since the daemon started",
    labels: [serverLabel],
    bounds: flushBounds,
    collect(facts, samples) {
      for (const { name, state } of facts.servers) {
        samples.histogram(flushBuckets.map((bucket) => state[bucket]), state.flushMicros / 1e6, name);
      }
    },
  },
  perServer("moneta_wal_gaps", "gauge", "Ranges of WAL that are missing and were not removed on purpose", ({ state }) => state.gaps),
  perServer("moneta_wal_stored_bytes", "gauge", "Bytes of all WAL of the server in the repository", ({ state }) => state.walBytes),
  perServer("moneta_wal_archived_segments_total", "counter", "Segments that got their final form since the daemon started", ({ state }) => state.archivedSegments),
  perServer("moneta_wal_archived_bytes_total", "counter", "Bytes that they have in it", ({ state }) => state.archivedBytes),
  perServer("moneta_wal_last_archive_time_seconds", "gauge", "When the newest segment got its final form", ({ lastArchived }) => (lastArchived === undefined ? undefined : seconds(lastArchived))),
  perServer("moneta_wal_archive_age_seconds", "gauge", "Seconds since then", ({ lastArchived }, { now }) => (lastArchived === undefined ? undefined : Math.max(0, seconds(now - lastArchived)))),
  perServer("moneta_wal_unarchived_segments", "gauge", "Complete segments that are durable and wait for their final form", ({ unarchived }) => unarchived),
  perState("moneta_receiver_state", "1 for what the receiver of the server does, 0 for everything else", serverFields.receiver.words, ({ state }) => state.receiver),
  perState("moneta_receiver_process_state", "1 for how the process of the receiver is, 0 for everything else", serverFields.process.words, ({ state }) => state.process),
  perServer("moneta_receiver_expected", "gauge", "Whether WAL of the server should be coming: it is online, and does not merely follow another one that is well", ({ online, following }) => flag(online && !following)),
  perServer("moneta_receiver_connected", "gauge", "Whether the receiver has a connection to its server", ({ state }) => flag(state.connected)),
  perServer("moneta_receiver_reconnects_total", "counter", "Connections that were lost since the daemon started", ({ state }) => state.reconnects),
  perServer("moneta_receiver_restarts_total", "counter", "Times that the process of the receiver was started again", ({ state }) => state.restarts),
  perServer("moneta_receiver_last_message_time_seconds", "gauge", "When the server was last heard", ({ state }) => (state.lastMessageTime === 0 ? undefined : seconds(state.lastMessageTime))),
  perState("moneta_slot_state", "1 for the state of the replication slot as the server says it, 0 for everything else", serverFields.slot.words, ({ state }) => state.slot),
  perServerWith("moneta_bytes_total", "counter", "Bytes that went through a stage since the daemon started", ["stage"], ({ stages }, add) => {
    for (const [stage, bytes] of Object.entries(stages)) add(bytes, stage);
  }),
];

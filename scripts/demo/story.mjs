/**
 * The story of the demo, told while it happens. Runs as an ordinary user; scripts/demo.mjs prepared everything.
 * Exit status 0 only if every row of every table is what it was just before the accident.
 */
import { rmSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setUpMoneta } from "./moneta-daemon.mjs";
import { bytes, count, createNarrator, seconds, timed } from "./narrator.mjs";
import { initialise, startServer } from "./postgres-server.mjs";
import { compareWithLedger, writeLedger } from "./row-ledger.mjs";
import { TABLES, aDayOfBusiness, createShop } from "./shop.mjs";
import { createUndoList } from "./undo-list.mjs";

const { MONETA_DEMO_ROOT: root, MONETA_DEMO_SCRATCH: scratch, MONETA_DEMO_BINARIES: binDir } = process.env;
const tell = createNarrator();
const undo = createUndoList();
const begin = performance.now();
const interrupted = new Promise((_, reject) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => reject(new Error(`stopped by ${signal}`)));
});

let status = 1;
try {
  status = (await Promise.race([story(), interrupted])) ? 0 : 1;
} catch (error) {
  tell.verdict(false, "The demo did not come to its end:");
  console.error(error.message);
}
const failures = await undo.run();
for (const failure of failures) console.error(`could not clean up: ${failure}`);
process.exit(failures.length > 0 ? 1 : status);

async function story() {
  tell.title("Moneta", "A server is backed up, a table is dropped, and we go back to just before.");
  const shop = await startShop();
  const moneta = await startMoneta(shop);
  await loadData(shop, moneta);
  await takeBackup(moneta);
  const accident = await liveAndLose(shop);
  const restored = await restore(moneta, accident);
  if (restored === undefined) return false;
  return judge(restored, accident);
}

async function startShop() {
  tell.chapter("A PostgreSQL server");
  const settings = { wal_level: "replica", max_wal_senders: 10, shared_buffers: "64MB", fsync: "off", timezone: "UTC", log_timezone: "UTC" };
  const directory = join(scratch, "shop");
  const dataDir = await initialise({ binDir, directory, settings });
  undo.add("data of the server", () => remove(directory, join(scratch, "s")));
  const server = await startServer({ binDir, dataDir, socketDir: join(scratch, "s"), name: "shop" });
  undo.add("server", () => server.stop());
  await server.value("CREATE ROLE backup LOGIN REPLICATION PASSWORD 'for the demo only'");
  await server.value("GRANT pg_read_all_settings TO backup");
  await server.value("CREATE DATABASE shop");
  tell.fact("version", await server.value("SHOW server_version"));
  tell.fact("programs", shorten(binDir));
  tell.fact("Moneta's account", "may replicate and read settings, no more");
  return server;
}

async function startMoneta(server) {
  tell.chapter("Moneta starts to follow it");
  const account = { name: "shop", socketDir: server.socketDir, port: server.port, user: "backup", password: "for the demo only" };
  const moneta = await setUpMoneta({ root, directory: join(scratch, "moneta"), server: account });
  undo.add("repository", () => remove(moneta.directory));
  const { result: daemon, milliseconds } = await timed(() => moneta.start());
  undo.add("daemon", () => daemon.stop());
  tell.command("moneta-admin master-key; moneta-admin user add; moneta -D etc");
  tell.fact("streams WAL after", seconds(milliseconds));
  tell.fact("stores", "zstd, AES-256-GCM");
  tell.say("From here on every change reaches a second place as it happens.");
  return { ...moneta, log: daemon.log };
}

async function loadData(server) {
  tell.chapter("A shop moves in");
  const client = await server.connect("shop");
  const { result: rows, milliseconds } = await timed(() => createShop(client));
  await client.end();
  for (const table of TABLES) tell.fact(table, `${count(rows[table])} rows`);
  tell.fact("loaded in", seconds(milliseconds));
  await tellHowFar(server);
}

/** The server's own view of what Moneta has made durable. */
async function tellHowFar(server) {
  const target = await server.value("SELECT pg_current_wal_flush_lsn()::text");
  const start = performance.now();
  while ((await server.value(`SELECT flush_lsn >= '${target}' FROM pg_stat_replication WHERE flush_lsn IS NOT NULL`)) !== true) {
    if (performance.now() - start > 60_000) throw new Error(`Moneta did not report ${target} as durable within a minute`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const amount = await server.value(`SELECT '${target}'::pg_lsn - '0/1000000'::pg_lsn`);
  tell.fact("WAL streamed", `${bytes(amount)}, all of it durable at ${target}`);
}

async function takeBackup(moneta) {
  tell.chapter("A full backup");
  tell.command("moneta-cli backup shop");
  tell.gap();
  if (!(await moneta.show(["backup", "shop"]))) throw new Error(`the backup failed:\n${moneta.log().slice(-3000)}`);
  const { Backups: backups } = await moneta.ask(["list-backup", "shop"]);
  const [backup] = backups;
  tell.gap();
  tell.fact("files of the server", bytes(backup.RestoreSize));
  tell.fact("in the repository", `${bytes(backup.BackupSize)}, compressed and encrypted`);
}

async function liveAndLose(server) {
  tell.chapter("Business goes on, and then somebody makes a mistake");
  const client = await server.connect("shop");
  const changed = await aDayOfBusiness(client);
  tell.say(`${count(changed)} rows are added, changed and deleted after the backup. Only the WAL knows them.`);
  const ledger = join(scratch, "ledger");
  const rows = await writeLedger(client, TABLES, ledger);
  undo.add("ledger", () => remove(ledger));
  const total = Object.values(rows).reduce((sum, one) => sum + one, 0);
  const { rows: moment } = await client.query("SELECT to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS.USOF') AS text");
  tell.say(`The demo writes all ${count(total)} rows down, to hold them against the restored server. It is ${moment[0].text}.`);
  tell.gap();
  tell.command('psql shop -c "DROP TABLE order_lines"');
  await client.query("DROP TABLE order_lines");
  tell.alarm(`${count(rows.order_lines)} order lines are gone.`);
  await client.query("INSERT INTO customers VALUES (99999, 'Came after the accident', 'Turku', current_date)");
  tell.say("Nobody notices, a customer signs up, WAL streams on: a replica would have lost the table as well.");
  await client.end();
  await tellHowFar(server);
  return { moment: moment[0].text, ledger, rows };
}

async function restore(moneta, accident) {
  tell.chapter("Back to the moment before");
  const directory = join(scratch, "restored");
  undo.add("restored data", () => remove(directory, join(scratch, "r")));
  const position = `time=${accident.moment}`;
  tell.command(`moneta-cli restore shop newest "${position}" \\`, "./restored");
  tell.gap();
  const start = performance.now();
  const { result: good, milliseconds } = await timed(() => moneta.show(["restore", "shop", "newest", position, directory]));
  if (!good) throw new Error(`the restore failed:\n${moneta.log().slice(-3000)}`);
  tell.gap();
  tell.fact("files restored in", seconds(milliseconds));
  const [name] = readdirSync(directory).filter((entry) => entry.startsWith("shop-"));
  const server = await startServer({ binDir, dataDir: join(directory, name), socketDir: join(scratch, "r"), name: "restored" });
  undo.add("restored server", () => server.stop());
  const replay = await timed(() => untilOpen(server));
  tell.fact("WAL replayed in", seconds(replay.milliseconds));
  tell.fact("from command to open", seconds(performance.now() - start));
  return server;
}

/** Recovery is over when the server takes writes. */
async function untilOpen(server) {
  const deadline = Date.now() + 60_000;
  while ((await server.value("SELECT pg_is_in_recovery()")) !== false) {
    if (Date.now() > deadline) throw new Error(`recovery did not end:\n${server.log().slice(-3000)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function judge(server, accident) {
  tell.chapter("Is it all there? Every row is compared");
  const client = await server.connect("shop");
  const results = await compareWithLedger(client, TABLES, accident.ledger);
  await client.end();
  tell.table([
    ["table", "before", "restored", "different"],
    ...results.map(({ table, expected, found, different }) => [table, count(expected), count(found), count(different)]),
  ]);
  const equal = results.every(({ different }) => different === 0);
  const total = results.reduce((sum, { expected }) => sum + expected, 0);
  for (const { table, first } of results) if (first !== undefined) tell.alarm(`${table}: ${first}`);
  tell.verdict(
    equal,
    equal
      ? `All ${count(total)} rows are as they were, the dropped table included, and the customer who came after the accident is not there. ` +
          `The whole story took ${seconds(performance.now() - begin)}.`
      : "The restored server differs from what was written down: the restore is WRONG.",
  );
  return equal;
}

function remove(...paths) {
  for (const path of paths) rmSync(path, { recursive: true, force: true });
}

/** Long paths keep their end. */
function shorten(path) {
  return path.length <= 48 ? path : `…${path.slice(-47)}`;
}

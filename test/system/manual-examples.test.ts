/**
 * The examples of the manual, each typed as it stands there, one after the other, and what it prints compared with the page.
 * K06: what the daemon answered to all of them is held against the stored schema, test/fixtures/answers.json. A key that is gone,
 * has another name or another type fails; whoever adds keys runs this file with MONETA_WRITE_ANSWERS=1, which adds what is new
 * and takes nothing away, and looks at the difference: keys that are not in every answer have a `?`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { availableCommands } from "../../scripts/documents/command-content.ts";
import { examples, wordsOf, type Example } from "../../scripts/documents/command-examples.ts";
import { breaches, merge, shapeOf, type Shape } from "../support/answer-shape.ts";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { tapManagement, type Conversation, type ManagementTap } from "../support/management-tap.ts";
import { insertMarkers } from "../support/marker-table.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import type { Finished } from "../support/processes.ts";
import { requires } from "../support/requires.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { sameText } from "./manual-text.ts";

let cluster: Cluster;
let daemon: Daemon;
let tap: ManagementTap;
/** What stands for `/srv` of the manual. */
let place: string;
let sqlFile: string;
let moment = "";
let position = "";
/** What goes on, by its line. */
const running: { readonly example: Example; readonly finished: Promise<Finished> }[] = [];

const { describe: describeHere } = requires("pg_amcheck");

beforeAll(async () => {
  const own = temporaryDirectory({ prefix: "mman", unprivileged: true });
  place = join(own.path, "srv");
  sqlFile = join(own.path, "check.sql");
  await mkdir(join(place, "archive"), { recursive: true });
  await writeFile(join(place, "archive", "dump.sql"), "SELECT 1;\n".repeat(1000));
  await writeFile(sqlFile, "SELECT count(*) FROM marker;\n");
  giveToUnprivileged(own.path);
  cluster = await createCluster();
  daemon = await createDaemon({
    servers: [{ name: "primary", cluster, settings: { backup: "15 2 * * *", drill: "0 5 * * sun", drill_sql: sqlFile } }],
    settings: { encryption: "aes", retention: "7, 4", schedule_timezone: "UTC", notify_command: "/bin/true", check_ignore: "DISK_SPACE", workspace: join(own.path, "workspace") },
  });
  tap = await tapManagement(join(own.path, "tap"), daemon.socketDir);
  await writeFile(join(daemon.configDir, "pgmoneta_cli.conf"), `[pgmoneta]\nunix_socket_dir = ${tap.directory}\n`);
  await daemon.waitUntilStreaming("primary");
  await insertMarkers(cluster, 1, 5);
});
afterAll(async () => {
  await tap?.close();
  await daemon?.destroy();
  await cluster?.destroy();
});

/** Waits until what the server has written is on disk here. */
async function received(): Promise<void> {
  const flushed = Number(await cluster.value("SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn"));
  await waitFor("all of it is received", async () => {
    const [server] = (await daemon.look("status"))["Servers"] as [{ FlushedHiLSN: number; FlushedLoLSN: number }];
    return server.FlushedHiLSN * 2 ** 32 + server.FlushedLoLSN >= flushed;
  });
}

/** What has to be so before a line is typed that is not the doing of the lines before it. */
const before: Readonly<Record<string, () => Promise<void>>> = {
  // Somebody works, then something goes wrong at 9 o'clock.
  "restore --dry-run primary newest lsn=0/5000100 /srv/restore": async () => {
    await insertMarkers(cluster, 6, 10);
    position = await cluster.value("SELECT pg_current_wal_flush_lsn()");
    moment = await cluster.value("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')");
    await insertMarkers(cluster, 11, 15);
    await received();
  },
  // A question that takes as long as anybody waits.
  "drill primary oldest": () => writeFile(sqlFile, "SELECT pg_sleep(3600);\n"),
  "lineage primary accept": () => daemon.waitUntilStreaming("primary"),
};

/** The words of a line, for this machine and this moment. */
const typed = (line: string): string[] =>
  wordsOf(line).map((word) =>
    word.replaceAll(/^\/srv\//g, `${place}/`).replaceAll("2026-11-20 09:00:00+00", moment).replaceAll("0/5000100", position),
  );

/** Failures and lines of progress go to standard error: what a page shows of one that failed is there. */
const printed = ({ stdout, stderr }: Finished, exit: number): string =>
  (exit === 0 ? stdout : stderr).replaceAll(`${place}/`, "/srv/").replaceAll(`${daemon.baseDir}/`, "/var/lib/moneta/repository/").replaceAll(`${daemon.configDir}/`, "/etc/pgmoneta/");

function compare({ exit = 0, line, prints }: Example, done: Finished): void {
  expect(done.status, `${line}\n${done.stdout}${done.stderr}`).toBe(exit);
  expect(sameText(prints, printed(done, exit)), `${line} printed\n${printed(done, exit)}`).toBe(true);
}

describeHere("the examples of the manual", () => {
  it.each(examples)("moneta-cli $line", async (example) => {
    const { goesOn, line } = example;
    await before[line]?.();
    if (goesOn === true) {
      const process = await daemon.startCli(typed(line), { format: "none" });
      running.push({ example, finished: process.finished });
      await waitFor("its job runs", async () => JSON.stringify(await daemon.look("status details")).includes('"State":"running"'));
      return;
    }
    compare(example, await daemon.cli(typed(line), { format: "none" }));
    if (example.command !== "cancel") return;
    for (const { example: ended, finished } of running.splice(0)) compare(ended, await finished);
  });
});

describe("the manual", () => {
  it.each(availableCommands)("has an example of $name that is tried, and tries those that its help shows", ({ name, spec }) => {
    const own = examples.filter(({ command }) => command === name).map(({ line }) => line);
    expect(own.length).toBeGreaterThan(0);
    expect(spec.examples.filter((line) => !own.includes(line))).toEqual([]);
    expect(own.filter((line) => !line.startsWith(name))).toEqual([]);
  });
});

const schemaFile = join(import.meta.dirname, "../fixtures/answers.json");
const commandsOf = (schema: object): string[] => Object.keys(schema).toSorted();

/** Refusals have one schema; one key of the configuration is not held against all of it. */
function nameOf(command: string, { Outcome, Request }: Conversation["answer"]): string {
  if (!(Outcome as { Status: boolean }).Status) return "(refused)";
  const { ConfigKey } = Request as { ConfigKey?: string | null };
  return command === "conf get" && (ConfigKey ?? "") !== "" ? "conf get of a key" : command;
}

describeHere("the answers of every command (K06)", () => {
  it("have the keys, the nesting and the types that are written down", async () => {
    const stored = JSON.parse(readFileSync(schemaFile, "utf8")) as Record<string, Shape>;
    const given = (await tap.conversations()).map(({ answer, command }) => ({
      command: nameOf(command, answer),
      // What was asked comes back as it came.
      answer: Object.fromEntries(Object.entries(answer).filter(([category]) => category === "Outcome" || category === "Header" || category === "Response")),
    }));
    if (process.env["MONETA_WRITE_ANSWERS"] === "1") {
      for (const { command, answer } of given) {
        const before = stored[command];
        stored[command] = before === undefined ? shapeOf(answer) : merge(before, shapeOf(answer));
      }
      const sorted = Object.fromEntries(commandsOf(stored).map((command) => [command, stored[command]]));
      writeFileSync(schemaFile, `${JSON.stringify(sorted, null, 2)}\n`);
    }
    expect(commandsOf(Object.fromEntries(given.map(({ command }) => [command, true])))).toEqual(commandsOf(stored));
    expect(given.flatMap(({ command, answer }) => breaches(answer, stored[command] ?? {}, command))).toEqual([]);
  });
});

/**
 * One daemon that is watched: `check` against a real server that lacks one thing after another (K02), its statuses, the Nagios
 * port, notifications over a restart, and hooks around what is done.
 */
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type CliResult, type Daemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { insertMarkers } from "../support/marker-table.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { createWebServer, type Received, type WebServer } from "../support/web-server.ts";

let cluster: Cluster;
let daemon: Daemon;
let web: WebServer;
let port: number;
/** Programs of the operator, and what they leave. */
let place: string;
const at = (name: string): string => join(place, name);

beforeAll(async () => {
  const own = temporaryDirectory({ prefix: "mcheck", unprivileged: true });
  place = own.path;
  await mkdir(at("refuse"));
  for (const name of ["before_backup", "after_backup", "before_restore", "after_restore", "before_delete", "after_delete", "before_wal_archive", "after_wal_archive"]) {
    // Each writes down what it is told, and refuses when it is told to.
    await writeFile(at(name), `#!/bin/sh\nenv | grep ^MONETA_ | sort | tr '\\n' ' ' >> ${at("told")}; echo >> ${at("told")}\n[ ! -e ${at("refuse")}/${name} ] || { echo "${name} says no"; exit 9; }\n`);
    await chmod(at(name), 0o755);
  }
  await writeFile(at("told"), "");
  giveToUnprivileged(place);
  web = await createWebServer();
  cluster = await createCluster();
  port = await freePort();
  const hooks = ["before_backup", "after_backup", "before_restore", "after_restore", "before_delete", "after_delete", "before_wal_archive", "after_wal_archive"];
  daemon = await createDaemon({
    servers: [{ name: "primary", cluster, settings: Object.fromEntries(hooks.map((name) => [`hook_${name}`, at(name)])) }],
    settings: {
      encryption: "aes",
      nagios: port,
      check_interval: 1,
      // How full the disk of the tests is says nothing.
      check_ignore: "DISK_SPACE",
      notify_webhook: `${web.url}/a-secret-path`,
      notify_delay: 0,
    },
  });
  await daemon.waitUntilStreaming("primary");
});
afterAll(async () => {
  await daemon?.destroy();
  await cluster?.destroy();
  await web?.close();
});

interface CheckDocument {
  readonly Code: string;
  readonly Status: string;
  readonly Message: string;
  readonly Fix: string | null;
  readonly Statement: string | null;
}

async function check(): Promise<{ readonly status: number | null; readonly of: (code: string) => CheckDocument; readonly wrong: string[]; readonly result: CliResult }> {
  const result = await daemon.cli(["check", "primary"]);
  const checks = (result.json?.Response["Checks"] ?? []) as CheckDocument[];
  return {
    status: result.status,
    result,
    wrong: checks.filter(({ Status }) => !["ok", "skipped"].includes(Status)).map(({ Code, Status }) => `${Code} ${Status}`),
    of(code) {
      const found = checks.find(({ Code }) => Code === code);
      if (found === undefined) throw new Error(`there is no ${code}: ${result.stdout}${result.stderr}`);
      return found;
    },
  };
}

const told = async (): Promise<string[]> => (await readFile(at("told"), "utf8")).trim().split("\n");
/** The last that a hook was told: segments are archived at any moment. */
const lastOf = async (hook: string): Promise<string> => (await told()).findLast((line) => line.includes(`MONETA_HOOK=${hook} `)) ?? "";
const body = ({ body: document }: Received): Readonly<Record<string, unknown>> => document as Readonly<Record<string, unknown>>;
const is = (status: string, code: string) => (received: Received) => body(received)["status"] === status && body(received)["code"] === code;

describe("before there is a backup", () => {
  it("check is critical and says that one is missing; the document has both outcomes", async () => {
    const { of, result, status, wrong } = await check();
    expect(status).toBe(2);
    expect(result.json?.Outcome.Status).toBe(true);
    expect(result.json?.Response).toMatchObject({ Server: "primary", Status: "critical", ExitStatus: 2 });
    expect(wrong).toContain("LAST_BACKUP critical");
    expect(of("LAST_BACKUP")).toMatchObject({ Message: "there is no backup", Fix: expect.stringContaining("moneta-cli backup") as string });
    expect(of("SLOT").Status).toBe("ok");
    expect(of("CLOCK").Status).toBe("ok");
    expect(of("SYSTEM_IDENTIFIER").Status).toBe("ok");
  });
});

describe("hooks", () => {
  it("a hook before a backup that refuses leaves none, and says why", async () => {
    await writeFile(at("refuse/before_backup"), "");
    const refused = await daemon.cli(["backup", "primary"]);
    expect(refused.status).toBe(70);
    expect(refused.json?.Outcome).toMatchObject({ Status: false, Code: "HOOK_REFUSED", Message: expect.stringContaining("exit status 9, saying: before_backup says no") as string });
    expect((await daemon.ask(["list-backup", "primary"]))["NumberOfBackups"]).toBe(0);
    expect((await told()).filter((line) => line.includes("after_backup"))).toEqual([]);
    await rm(at("refuse/before_backup"));
  });

  it("a failed backup is notified without the address of the webhook in the log, and the next one that succeeds is its end", async () => {
    await web.waitFor("the failure is told", is("firing", "HOOK_REFUSED"));
    const backup = await daemon.ask(["backup", "primary"]);
    const label = String(backup["Backup"]);
    await web.waitFor("its end is told", is("recovered", "HOOK_REFUSED"));
    expect(web.received.filter(is("firing", "HOOK_REFUSED"))).toHaveLength(1);
    expect(await lastOf("after_backup")).toMatch(new RegExp(`MONETA_BACKUP=${label} .*MONETA_HOOK=after_backup MONETA_JOB=backup MONETA_RESULT=succeeded MONETA_SERVER=primary`));
    expect(daemon.log()).not.toContain("a-secret-path");
  });

  it("a restore is refused before it writes anything, and goes on when it is allowed", async () => {
    await writeFile(at("refuse/before_restore"), "");
    const target = join(daemon.root, "restored");
    const refused = await daemon.cli(["restore", "primary", "newest", target]);
    expect(refused.json?.Outcome).toMatchObject({ Status: false, Code: "HOOK_REFUSED" });
    await expect(readFile(target)).rejects.toMatchObject({ code: "ENOENT" });
    await rm(at("refuse/before_restore"));
    await writeFile(at("refuse/after_restore"), "");
    const restored = await daemon.ask(["restore", "primary", "newest", target]);
    expect(JSON.stringify(restored["Warnings"])).toContain("after_restore says no");
    expect(await lastOf("after_restore")).toMatch(/MONETA_DIRECTORY=\S*restored\/primary-\d+ MONETA_HOOK=after_restore MONETA_JOB=restore MONETA_RESULT=succeeded/);
    await rm(at("refuse/after_restore"));
    await web.waitFor("the refused restore is told once", (one) => is("firing", "HOOK_REFUSED")(one) && String(body(one)["message"]).startsWith("the restore failed"));
  });

  it("a deletion that is refused takes nothing away, by an operator and by retention", async () => {
    await daemon.ask(["backup", "primary"]);
    await writeFile(at("refuse/before_delete"), "");
    const refused = await daemon.cli(["delete", "primary", "oldest"]);
    expect(refused.json?.Outcome).toMatchObject({ Status: false, Code: "HOOK_REFUSED" });
    expect((await daemon.ask(["list-backup", "primary"]))["NumberOfBackups"]).toBe(2);
    await rm(at("refuse/before_delete"));
    await daemon.ask(["delete", "primary", "oldest"]);
    expect(await lastOf("after_delete")).toMatch(/MONETA_BACKUP=\d{14} .*MONETA_HOOK=after_delete MONETA_JOB=delete MONETA_RESULT=succeeded/);
  });

  it("segments go through theirs, and stay raw while it refuses", async () => {
    await writeFile(at("refuse/before_wal_archive"), "");
    await insertMarkers(cluster, 1, 3);
    await cluster.sql("SELECT pg_switch_wal()");
    await waitFor("check says that a segment stays raw", async () => (await check()).wrong.includes("WAL_ARCHIVE warning"));
    await rm(at("refuse/before_wal_archive"));
    await waitFor("it is archived", async () => (await told()).some((line) => /MONETA_FILE=\S*wal\/[0-9A-F]{24}\.zstd\.aes MONETA_HOOK=after_wal_archive/.test(line)));
    await web.waitFor("that was told", (one) => is("firing", "HOOK_REFUSED")(one) && String(body(one)["message"]).includes("not archived"));
  });
});

describe("with a backup", () => {
  it("check is ok, in 80 columns; so is the plugin", async () => {
    await waitFor("everything is good", async () => (await check()).status === 0, { seen: () => daemon.log().slice(-2000) });
    const text = await daemon.cli(["check", "primary"], { format: "none" });
    expect(text.status).toBe(0);
    expect(text.stdout.split("\n")[0]).toMatch(/^primary: OK at /);
    expect(text.stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    const plugin = await daemon.cli(["check", "--nagios", "primary"], { format: "none" });
    expect(plugin.status).toBe(0);
    expect(plugin.stdout).toMatch(/^MONETA OK - primary: \d+ checks \| 'wal_lag'=\d+B;\d+;\d+ .*'backup_age'=\d+s/);
  });

  it("the Nagios port says the same, over HTTP", async () => {
    const one = await fetch(`http://localhost:${port}/primary`);
    expect(one.status).toBe(200);
    expect(await one.text()).toMatch(/^MONETA OK - primary: /);
    const all = await fetch(`http://localhost:${port}/`);
    expect(await all.text()).toMatch(/^MONETA OK - /);
    expect((await fetch(`http://localhost:${port}/stranger`)).status).toBe(404);
    expect((await fetch(`http://localhost:${port}/primary`, { method: "POST" })).status).toBe(405);
  });

  it("a test of the notifications is taken, and one that is not taken is no yes", async () => {
    expect((await daemon.ask(["notify", "test"]))["Targets"]).toMatchObject([{ Target: "notify_webhook", Delivered: true }]);
    await web.waitFor("the test is there", is("test", "NOTIFY_TEST"));
    web.answer = 503;
    const failed = await daemon.cli(["notify", "test"]);
    web.answer = 200;
    expect(failed.json?.Outcome).toMatchObject({ Status: false, Code: "NOTIFY_TEST_FAILED", Message: expect.stringContaining(`localhost:${web.port} answered with status 503`) as string });
  });
});

/** What is taken away from the server while the daemon runs, and how it is given back. */
const lacks: readonly { readonly code: string; readonly level: "warning" | "critical"; readonly take: string; readonly give: string; readonly statement?: RegExp }[] = [
  { code: "ROLE", level: "critical", take: "ALTER ROLE moneta NOREPLICATION", give: "ALTER ROLE moneta REPLICATION", statement: /ALTER ROLE "moneta" WITH REPLICATION/ },
  { code: "ROLE", level: "critical", take: "ALTER ROLE moneta NOLOGIN", give: "ALTER ROLE moneta LOGIN", statement: /WITH LOGIN/ },
  { code: "FILE_LOCATIONS", level: "warning", take: "REVOKE pg_read_all_settings FROM moneta", give: "GRANT pg_read_all_settings TO moneta", statement: /GRANT pg_read_all_settings/ },
  { code: "SQL_CONNECTION", level: "warning", take: "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC", give: "GRANT CONNECT ON DATABASE postgres TO PUBLIC", statement: /GRANT CONNECT/ },
  { code: "FULL_PAGE_WRITES", level: "warning", take: "ALTER SYSTEM SET full_page_writes = off", give: "ALTER SYSTEM RESET full_page_writes", statement: /full_page_writes = on/ },
];

describe("what a real server lacks is named with the statement that gives it back (K02):", () => {
  it.each(lacks)("$take", async ({ code, give, level, statement, take }) => {
    await cluster.sql(take);
    await cluster.reload();
    await waitFor(`${code} is named`, async () => (await check()).wrong.includes(`${code} ${level}`), { seen: () => daemon.log().slice(-2000) });
    const found = await check();
    expect(found.status).toBe(level === "critical" ? 2 : 1);
    expect(found.of(code).Statement).toMatch(statement ?? /./);
    expect(found.of(code).Fix ?? "").toMatch(/\S/);
    await cluster.sql(give);
    await cluster.reload();
    await waitFor("all is well again", async () => (await check()).status === 0, { seen: async () => (await check()).wrong });
  });

  it("a server that is down: critical at once, on the Nagios port as well, told, and over when it is back", async () => {
    await cluster.stop();
    const found = await check();
    expect(found.status).toBe(2);
    expect(found.of("CONNECTION")).toMatchObject({ Status: "critical", Message: expect.stringContaining("cannot connect") as string });
    expect(found.of("WAL_LEVEL").Status).toBe("skipped");
    const plugin = await daemon.cli(["check", "--nagios", "primary"], { format: "none" });
    expect(plugin.status).toBe(2);
    expect(plugin.stdout).toMatch(/^MONETA CRITICAL - primary: /);
    const http = await fetch(`http://localhost:${port}/primary`);
    expect(http.status).toBe(503);
    const firing = (one: Received): boolean => body(one)["category"] === "stream" && body(one)["status"] === "firing";
    await web.waitFor("that nothing is received is told", firing);

    // Over a restart of the daemon nothing is told twice; a server that is just starting is another reason than one that is down.
    expect(await daemon.stop()).toBe(0);
    await daemon.start();
    await waitFor("the daemon has seen it again", async () => (await check()).status === 2);
    await cluster.start();
    await daemon.waitUntilStreaming("primary");
    await web.waitFor("its end is told", (one) => body(one)["category"] === "stream" && body(one)["status"] === "recovered");
    const reasons = web.received.filter(firing).map((one) => body(one)["code"]);
    expect(new Set(reasons).size).toBe(reasons.length);
  });
});

describe("what is no answer", () => {
  it("an unknown server and a mistake are unknown, a daemon that is gone is critical", async () => {
    expect((await daemon.cli(["check", "stranger"], { format: "none" })).status).toBe(3);
    expect((await daemon.cli(["check"], { format: "none" })).status).toBe(3);
    const unknown = await daemon.cli(["check", "--nagios", "stranger"], { format: "none" });
    expect(unknown.stdout).toMatch(/^MONETA UNKNOWN - there is no server "stranger"/);
    await daemon.stop();
    const gone = await daemon.cli(["check", "--nagios", "primary"], { format: "none" });
    expect(gone.status).toBe(2);
    expect(gone.stdout).toMatch(/^MONETA CRITICAL - /);
    expect((await daemon.cli(["check", "primary"])).status).toBe(2);
  });

  it("a program of a hook that is not there keeps the daemon from its start", async () => {
    await daemon.appendToConfiguration("hook_timeout = 0\n");
    const failed = await daemon.startExpectingFailure();
    expect(failed.stderr + failed.stdout).toMatch(/pgmoneta\.conf:\d+.*hook_timeout/);
  });
});

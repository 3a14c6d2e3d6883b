/** Remote management of the built daemon by the built command line: logins, roles, what is written down, and a terminal; J04, and of J07 who deletes. */
import { createServer, type AddressInfo } from "node:net";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createAuthority, type Authority } from "../support/certificates.ts";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { asUnprivileged, giveToUnprivileged } from "../support/unprivileged-user.ts";
import { startProcess } from "../support/processes.ts";
import { requires, tool } from "../support/requires.ts";
import { waitFor } from "../support/wait-for.ts";

requires("openssl").describe("remote management", () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let authority: Authority;
  let port = 0;
  let metricsPort = 0;
  const passwords = { alice: "secret of the admin", olga: "secret of the operator", vera: "secret of the viewer" };

  beforeAll(async () => {
    authority = createAuthority();
    const own = authority.issue({ commonName: "daemon", alternativeNames: ["DNS:localhost"] });
    giveToUnprivileged(own.keyFile);
    port = await freePort();
    metricsPort = await freePort();
    cluster = await createCluster();
    daemon = await createDaemon({
      servers: [
        { name: "primary", cluster },
        // Of which a backup lasts long enough to be interrupted.
        { name: "slow", cluster, settings: { max_rate: 1_000_000 } },
      ],
      // What is written down of changes does not depend on it.
      settings: { management: port, metrics: metricsPort, tls: "on", tls_required: "on", tls_cert_file: own.certFile, tls_key_file: own.keyFile, log_level: "error" },
      start: false,
    });
    const admins = join(daemon.configDir, "pgmoneta_admins.conf");
    const roles: Readonly<Record<string, string[]>> = { alice: [], olga: ["--role", "operator"], vera: ["--role", "operator"] };
    for (const [user, password] of Object.entries(passwords)) {
      const { status, stderr } = await daemon.admin(["-f", admins, "-U", user, "-P", password, "user", "add", ...(roles[user] ?? [])]);
      expect([status, stderr]).toEqual([0, ""]);
    }
    expect((await daemon.admin(["-f", admins, "-U", "vera", "user", "role", "viewer"])).stdout).toContain("vera has the role viewer");
    expect((await daemon.admin(["-f", admins, "user", "ls", "--roles"])).stdout).toBe("admin     alice\noperator  olga\nviewer    vera\n");
    await daemon.start();
    await daemon.waitUntilStreaming("primary");
  });
  afterAll(async () => {
    await daemon.destroy();
    await cluster.destroy();
  });

  const remote = (user: keyof typeof passwords, ...more: string[]) => ["-h", "localhost", "-p", String(port), "-U", user, "--tls-ca", authority.certFile, ...more];
  const ask = (user: keyof typeof passwords, ...words: string[]) => daemon.cli([...remote(user), ...words], { env: { PGMONETA_PASSWORD: passwords[user] } });

  it("lets everybody do what their role allows, and nothing else", async () => {
    expect((await ask("vera", "status")).json?.Outcome.Status).toBe(true);
    expect((await ask("vera", "backup", "primary")).status).toBe(15);
    const backup = await ask("olga", "backup", "primary");
    expect([backup.status, backup.stderr]).toEqual([0, ""]);
    const label = String(backup.json?.Response["Backup"]);
    expect((await ask("olga", "delete", "primary", label)).status).toBe(15);
    expect((await ask("vera", "list-backup", "primary")).json?.Response).toMatchObject({ NumberOfBackups: 1 });
    const words = await ask("vera", "complete", "backups", "primary");
    expect([words.status, words.stdout]).toEqual([0, `${label}\n`]);
    expect((await daemon.cli(["complete", "servers"])).stdout).toBe("primary\nslow\n");
    expect((await ask("alice", "delete", "primary", label)).status).toBe(0);
    expect((await daemon.cli([...remote("alice"), "status"], { env: { PGMONETA_PASSWORD: "wrong" } })).status).toBe(15);
    // The name and password with which the daemon logs in to PostgreSQL, stolen there, are nobody's here (J07).
    const stolen = await daemon.cli(["-h", "localhost", "-p", String(port), "-U", "moneta", "--tls-ca", authority.certFile, "status"], { env: { PGMONETA_PASSWORD: "moneta's password" } });
    expect([stolen.status, stolen.stdout]).toEqual([15, expect.not.stringContaining('"Servers"') as string]);
    const clear = ["-h", "localhost", "-p", String(port), "-U", "alice", "--tls-mode", "disable", "status"];
    expect((await daemon.cli(clear, { env: { PGMONETA_PASSWORD: passwords.alice } })).status).toBe(4);
    // Clear text to a daemon whose authority is named is no wish that makes sense.
    expect((await ask("alice", "--tls-mode", "disable", "status")).status).toBe(2);
  });

  it("writes down who changed what, from where, with which outcome, and no secret", async () => {
    const local = await daemon.startCli(["backup", "primary"]);
    expect((await local.finished).status).toBe(0);
    const { uid } = asUnprivileged() as { readonly uid?: number };
    const log = daemon.log();
    expect(log).toMatch(/vera \(viewer\) from \S+:\d+: backup Server="primary": refused or failed with ROLE_INSUFFICIENT/);
    expect(log).toMatch(/olga \(operator\) from \S+:\d+: backup Server="primary": done/);
    expect(log).toMatch(/alice \(admin\) from \S+:\d+: delete Server="primary" Backup="\d{14}": done/);
    expect(log).toContain(`uid ${uid ?? process.getuid?.() ?? ""} (pid ${local.pid}) of this machine: backup Server="primary": done`);
    for (const secret of [...Object.values(passwords), "a master key for tests"]) expect(log).not.toContain(secret);
    expect(log).not.toContain("list-backup");
  });

  it("has metrics of when its certificate ends", async () => {
    const text = await (await fetch(`http://localhost:${metricsPort}/metrics`)).text();
    const [, seconds = ""] = /^moneta_certificate_expiry_time_seconds\{use="management"\} (\S+)$/m.exec(text) ?? [];
    // Two days from its making on.
    const left = Number(seconds) - Date.now() / 1000;
    expect([left > 86_400, left < 2 * 86_400], text.slice(0, 500)).toEqual([true, true]);
  });

  it("brings a support bundle to where the operator is, for an admin alone, and without the passwords of logins", async () => {
    const path = join(daemon.root, "remote.tar.gz");
    expect((await ask("olga", "diagnose", "--output", path)).status).toBe(15);
    expect(existsSync(path)).toBe(false);
    const { json, status, stderr } = await ask("alice", "diagnose", "--output", path);
    expect([status, stderr, json?.Response["File"]]).toEqual([0, "", path]);
    const bytes = gunzipSync(readFileSync(path));
    for (const name of ["daemon/recent.log", "servers/slow/check.json", "repository/primary/wal.json", `the daemon at localhost:${port}`]) expect([name, bytes.includes(name)]).toEqual([name, true]);
    expect(Object.values(passwords).filter((password) => bytes.includes(password))).toEqual([]);
  });

  requires("script").it("asks for the password without showing it, and at Ctrl-C what is to become of the job", async () => {
    const program = resolve(import.meta.dirname, "../../bin/moneta-cli");
    await daemon.waitUntilStreaming("slow");
    const line = ["exec", program, ...remote("olga"), "backup", "slow"].map((word, at) => (at === 0 ? word : `'${word}'`)).join(" ");
    const terminal = await startProcess(tool("script"), ["-q", "-e", "-c", line, "/dev/null"], {
      env: { PATH: process.env["PATH"], HOME: daemon.home, TERM: "xterm", LC_ALL: "C.UTF-8" },
      unprivileged: true,
      keepInputOpen: true,
    });
    await waitFor("it asks", () => terminal.stdout().includes("Password of olga: "));
    terminal.write(`${passwords.olga}\n`);
    await waitFor("the bar is there", () => / \d+ ?%/.test(terminal.stdout()), { seen: () => terminal.stdout() });
    terminal.write("\u0003");
    await waitFor("it asks what is to become of the job", () => terminal.stdout().includes("cancel it (c)"), { seen: () => terminal.stdout() });
    terminal.write("c\n");
    const { status } = await terminal.finished;
    expect([status, terminal.stdout()]).toEqual([20, expect.stringContaining("JOB_CANCELLED")]);
    expect(terminal.stdout()).not.toContain(passwords.olga);
  });

  it("does not start where clear text could be read by others, or the port is taken", async () => {
    await daemon.stop();
    const configuration = readFileSync(daemon.configFile, "utf8");
    const change = (from: RegExp, to: string): void => writeFileSync(daemon.configFile, configuration.replace(from, to));
    change(/^tls = on\ntls_required = on\n/m, "");
    writeFileSync(daemon.configFile, readFileSync(daemon.configFile, "utf8").replace(/^host = localhost/m, "host = *"));
    const open = await daemon.startExpectingFailure();
    expect(open.status).toBe(78);
    expect(open.stderr).toContain("expected tls = on with tls_cert_file and tls_key_file");
    const taken = createServer();
    await new Promise<void>((listening) => taken.listen(0, "127.0.0.1", listening));
    change(/^management = .*$/m, `management = ${(taken.address() as AddressInfo).port}`);
    const busy = await daemon.startExpectingFailure();
    expect(busy.status).toBe(12);
    expect(busy.stderr).toContain("cannot listen on localhost");
    expect(existsSync(join(daemon.socketDir, ".s.pgmoneta"))).toBe(false);
    taken.close();
  });
});

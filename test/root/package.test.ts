/**
 * The Debian package, built, installed, upgraded, removed and purged by dpkg on a copy of this machine's file system, and what it
 * installed at work: also as the first process of a container, by itself and behind the entrypoint of the image.
 */
import { chmodSync, copyFileSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { descendantsOf, runOrFail, signalPid, type RunningProcess } from "../support/processes.ts";
import { requires } from "../support/requires.ts";
import { createScratchRoot, needsForScratchRoot, type ScratchRoot } from "../support/scratch-root.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { waitFor } from "../support/wait-for.ts";

const project = join(import.meta.dirname, "../..");
const { version } = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as { version: string };

const configuration = `[pgmoneta]
host = localhost
unix_socket_dir = /run/moneta
base_dir = /var/lib/moneta/repository
log_type = console

[primary]
host = 127.0.0.1
port = 1
user = repl
wal_slot = moneta
`;

requires("root", "dpkg", "dpkg-deb", "unshare", "nsenter", ...needsForScratchRoot()).describe("the Debian package", () => {
  let root: ScratchRoot;
  let file: string;
  beforeAll(async () => {
    const shared = temporaryDirectory({ prefix: "mdeb" }).path;
    chmodSync(shared, 0o755);
    const said = await runOrFail(process.execPath, [join(project, "scripts/package/deb.mjs"), "--output", shared, "--quick"], { cwd: project });
    file = said.trim().split("\n").at(-1) ?? "";
    copyFileSync(join(project, "etc/container/entrypoint"), join(shared, "entrypoint"));
    root = await createScratchRoot(shared);
  });
  afterAll(async () => root.end());

  const inRoot = (path: string): string => `/mnt/${path.split("/").at(-1) ?? ""}`;
  /** dpkg without the syncs: what it writes lies in memory. */
  const dpkg = (...words: readonly string[]) => root.run("dpkg", "--force-unsafe-io", ...words);
  const asMoneta = (...words: readonly string[]) => root.run("chroot", "--userspec=moneta:moneta", "/", "env", "HOME=/var/lib/moneta", ...words);

  it("is installed by dpkg, with an account, closed directories, and nothing that runs", async () => {
    expect(file).toMatch(new RegExp(`/moneta_${version.replaceAll(".", "\\.")}-1_(amd64|arm64)\\.deb$`));
    expect((await root.run("getent", "passwd", "moneta")).status).not.toBe(0);
    const { status, stderr, stdout } = await dpkg("-i", inRoot(file));
    expect([status, stdout + stderr]).toEqual([0, expect.stringContaining("nothing runs yet. Write /etc/pgmoneta/pgmoneta.conf")]);
    expect(await root.ok("dpkg-query", "-W", "-f=${Status}", "moneta")).toBe("install ok installed");
    expect(await root.ok("getent", "passwd", "moneta")).toMatch(/^moneta:[^:]*:\d+:\d+:[^:]*:\/var\/lib\/moneta:\/bin\/bash$/m);
    expect(await root.ok("stat", "-c", "%U:%G %a %n", "/var/lib/moneta", "/etc/pgmoneta")).toBe("moneta:moneta 700 /var/lib/moneta\nmoneta:moneta 700 /etc/pgmoneta\n");
    // Every file is as it was packed, by dpkg's word, and belongs to root.
    expect(await root.ok("dpkg", "--verify", "moneta")).toBe("");
    expect(await root.ok("find", "/usr/lib/moneta", "/usr/share/moneta", "/usr/share/doc/moneta", "(", "!", "-user", "root", "-o", "-perm", "/022", ")", "!", "-type", "l")).toBe("");
    expect(await root.ok("dpkg-query", "-W", "-f=${Conffiles}", "moneta")).toContain("/etc/pgmoneta/pgmoneta.conf.sample");
    expect(root.inhabitants()).toEqual([]);
    // Whoever is in there is seen.
    const sleeper = root.run("sleep", "1");
    await waitFor("it is seen", () => root.inhabitants().length > 0);
    await sleeper;
  });

  it("has programs that run without the sources, and everything where it is looked for", async () => {
    for (const program of ["moneta", "moneta-cli", "moneta-admin"]) {
      expect(await root.ok(program, "--version")).toContain(version);
    }
    expect((await asMoneta("moneta-cli", "--help")).stdout).toContain("Usage: moneta-cli");
    expect(await root.ok("sh", "-c", "zcat /usr/share/man/man1/moneta-cli.1.gz /usr/share/man/man5/pgmoneta.conf.5.gz | grep -c '^.TH'")).toBe("2\n");
    expect(await root.ok("bash", "-c", ". /usr/share/bash-completion/completions/moneta-cli && complete -p moneta-cli")).toContain("moneta-cli");
    const listed = (await root.ok("dpkg", "-L", "moneta")).split("\n");
    for (const path of [
      "/usr/lib/systemd/system/moneta.service",
      "/usr/lib/sysusers.d/moneta.conf",
      "/usr/share/zsh/vendor-completions/_moneta-cli",
      "/usr/share/fish/vendor_completions.d/moneta-cli.fish",
      "/usr/share/moneta/prometheus/moneta.rules.yml",
      "/usr/share/moneta/grafana/moneta.json",
      "/usr/share/doc/moneta/README.md",
      "/usr/share/doc/moneta/changelog.gz",
      "/usr/share/doc/moneta/copyright",
      "/usr/share/doc/moneta/doc/manual/restore.md",
      "/usr/share/doc/moneta/examples/pgmoneta.conf",
    ]) expect(listed).toContain(path);
    // Native code of this machine, and nothing for developers or of other licences.
    expect(listed.filter((path) => path.endsWith(".node")).length).toBe(3);
    expect(listed.filter((path) => /\.map$|\.d\.ts$|compressjs|typescript|vitest/.test(path))).toEqual([]);
  });

  it("compresses, encrypts and converts with what it brought along", async () => {
    // zstd, lz4 and bzip2 are packages with native code or WebAssembly.
    await root.ok("sh", "-c", "mkdir /tmp/c && seq 100000 > /tmp/c/plain && for f in zstd lz4 bz2 gz; do cp /tmp/c/plain /tmp/c/$f; done && chown -R moneta /tmp/c");
    for (const [method, suffix, decoder] of [["zstd", "zstd", "zstd -dc"], ["lz4", "lz4", "lz4 -dc"], ["bzip2", "bz2", "bzip2 -dc"], ["gzip", "gz", "gzip -dc"]] as const) {
      await root.ok("sh", "-c", `mkdir -p /tmp/etc-${method} && printf '%s' '${configuration.replace("log_type", `compression = ${method}\nlog_type`)}' > /tmp/etc-${method}/pgmoneta.conf`);
      const done = await asMoneta("moneta-cli", "--offline", "-D", `/tmp/etc-${method}`, "compress", `/tmp/c/${suffix}`);
      expect([done.status, done.stderr]).toEqual([0, ""]);
      expect(await root.ok("sh", "-c", `${decoder} < /tmp/c/${suffix}.${suffix} | cmp - /tmp/c/plain && echo same`)).toBe("same\n");
    }
  });

  const ofProcess = (pid: number, name: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${name}`, "latin1");
    } catch {
      // It is gone.
      return "";
    }
  };
  const statusOf = (pid: number): string => ofProcess(pid, "status");
  /** The first process of the namespace that was started last. */
  const firstOf = (started: RunningProcess): number => descendantsOf(started.pid)[0] ?? 0;
  const answers = async (started: RunningProcess): Promise<void> => {
    const seen = (): string => started.stdout() + started.stderr();
    await waitFor("the daemon answers", async () => !started.isRunning() || (await asMoneta("moneta-cli", "-D", "/etc/pgmoneta", "ping")).status === 0, { everyMs: 200, seen });
    if (!started.isRunning()) throw new Error(`it ended:\n${seen()}`);
  };

  it("has a daemon that answers and ends in order, also as the first process of its namespace", async () => {
    await root.ok("sh", "-c", `install -d -o moneta -g moneta /run/moneta && printf '%s' '${configuration}' > /etc/pgmoneta/pgmoneta.conf && chown moneta /etc/pgmoneta/pgmoneta.conf`);
    const daemon = await root.startFirst("moneta:moneta", "/var/lib/moneta", "moneta", "-D", "/etc/pgmoneta");
    await answers(daemon);
    const status = await asMoneta("moneta-cli", "status");
    expect([status.status, status.stdout]).toEqual([0, expect.stringContaining("primary")]);
    expect(/^NSpid:.*\t1$/m.test(readFileSync(`/proc/${firstOf(daemon)}/status`, "latin1"))).toBe(true);
    signalPid(firstOf(daemon), "SIGTERM");
    expect((await daemon.finished).status).toBe(0);
    expect(daemon.stdout()).toContain("stopped");
  });

  it("is told what the entrypoint of the image is told, and processes whose parent died do not stay", async () => {
    const started = await root.startFirst("moneta:moneta", "/var/lib/moneta", "/mnt/entrypoint", "moneta", "-D", "/etc/pgmoneta");
    await answers(started);
    const first = firstOf(started);
    expect(ofProcess(first, "cmdline")).toContain("entrypoint");
    const childrenOfFirst = (): string[] =>
      readdirSync("/proc").flatMap((pid) => {
        const status = /^\d+$/.test(pid) ? statusOf(Number(pid)) : "";
        const [, name = ""] = /^Name:\t(.*)$/m.exec(status) ?? [];
        const [, state = ""] = /^State:\t(\S)/m.exec(status) ?? [];
        return new RegExp(`^PPid:\\t${first}$`, "m").test(status) ? [`${name} ${state}`] : [];
      });
    // A parent that dies before its child: what a job that was killed leaves behind.
    await runOrFail("nsenter", ["-t", String(first), "-p", "-m", "-r", "sh", "-c", "sleep 1 >/dev/null 2>&1 &"]);
    await waitFor("the first process has it", () => childrenOfFirst().some((child) => child.startsWith("sleep ")));
    await waitFor("it is gone altogether", () => childrenOfFirst().every((child) => !child.startsWith("sleep ")), { seen: childrenOfFirst });
    expect(childrenOfFirst().filter((child) => child.endsWith(" Z"))).toEqual([]);
    signalPid(first, "SIGHUP");
    await waitFor("the daemon heard of it", () => (started.stdout() + started.stderr()).includes("SIGHUP"));
    signalPid(first, "SIGTERM");
    expect((await started.finished).status).toBe(0);
    expect(started.stdout()).toContain("stopped");
  });

  it("restarts a daemon that runs at an upgrade, and stops it when it goes; a purge keeps what is the operator's", async () => {
    // In the place of systemd, which does not run here: what is asked of it is written down.
    await root.ok("sh", "-c", `mkdir -p /run/systemd/system && for p in systemctl deb-systemd-invoke; do printf '#!/bin/sh\\necho "$(basename $0) $*" >> /run/asked\\n' > /tmp/$p && chmod 755 /tmp/$p && cp --remove-destination /tmp/$p /usr/bin/$p; done`);
    const asked = async (): Promise<string[]> => (await root.ok("sh", "-c", "cat /run/asked; : > /run/asked")).trim().split("\n");
    await root.ok("sh", "-c", "mkdir -p /etc/systemd/system/multi-user.target.wants && ln -s /usr/lib/systemd/system/moneta.service /etc/systemd/system/multi-user.target.wants/ && echo secret > /etc/pgmoneta/pgmoneta_users.conf && mkdir -p /var/log/moneta && chmod 750 /var/lib/moneta");
    const again = await dpkg("-i", inRoot(file));
    expect([again.status, again.stdout]).toEqual([0, expect.not.stringContaining("nothing runs yet")]);
    expect(await asked()).toEqual(["systemctl --system daemon-reload", "deb-systemd-invoke try-restart moneta.service"]);
    // What the operator changed stays changed.
    expect(await root.ok("stat", "-c", "%a", "/var/lib/moneta")).toBe("750\n");
    expect((await dpkg("-r", "moneta")).status).toBe(0);
    expect((await asked())[0]).toBe("deb-systemd-invoke stop moneta.service");
    expect((await root.run("sh", "-c", "command -v moneta moneta-cli moneta-admin")).stdout).toBe("");
    const purged = await dpkg("-P", "moneta");
    expect(purged.status).toBe(0);
    expect(purged.stdout).toContain("backups, WAL and the master key stay in /var/lib/moneta");
    expect(purged.stdout).toContain("the configuration stays in /etc/pgmoneta");
    expect((await root.ok("ls", "/var/lib/moneta")).split("\n")).toContain("repository");
    expect(await root.ok("ls", "/etc/pgmoneta")).toBe("pgmoneta.conf\npgmoneta_users.conf\n");
    // Nothing of what `systemctl enable` made.
    expect((await root.run("ls", "-A", "/etc/systemd/system/multi-user.target.wants/moneta.service")).stdout).toBe("");
    expect((await root.run("ls", "/usr/lib/moneta", "/usr/share/moneta", "/usr/share/doc/moneta", "/var/log/moneta")).stdout).toBe("");
    expect(await root.ok("getent", "passwd", "moneta")).toContain("moneta");
  });
});

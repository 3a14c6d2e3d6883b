/** Small parts of the daemon as a service: its titles, its exit status, its line of state. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { configErrors } from "../../../src/config/index.ts";
import { supervisorErrors } from "../../../src/supervisor/errors.ts";
import { exitStatusOf } from "../../../src/supervisor/exit-status.ts";
import type { Job } from "../../../src/supervisor/job.ts";
import { processTitle, titleOf, titleRoom } from "../../../src/supervisor/process-title.ts";
import type { SupervisedServer } from "../../../src/supervisor/server.ts";
import { serviceStatus } from "../../../src/supervisor/service-status.ts";
import type { StatusSources } from "../../../src/supervisor/status.ts";
import { requires, tool } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { serverWith } from "./server-stand-in.ts";

describe("the title of a process", () => {
  it("says as much as update_process_title allows", () => {
    const titles = ["never", "minimal", "strict", "verbose"].map((policy) => processTitle(policy, "job", "7 backup primary"));
    expect(titles).toEqual([undefined, "moneta: job", "moneta: job 7 backup primary", "moneta: job 7 backup primary"]);
    expect([titleOf("never", "receiver", "primary"), titleOf("verbose", "decrypt")]).toEqual([{}, { title: "moneta: decrypt" }]);
  });

  it("is whole in the list of processes for verbose, and cut at the length of the command line for strict", () => {
    const title = processTitle("verbose", "job", `1 backup ${"x".repeat(150)}`) ?? "";
    const script = `process.title = ${JSON.stringify(title)}; process.stdout.write(require("fs").readFileSync("/proc/self/cmdline", "latin1"))`;
    const shown = (policy: string): string => spawnSync(process.execPath, ["-e", "eval(process.env.SCRIPT)", ...titleRoom(policy)], { env: { SCRIPT: script }, encoding: "latin1" }).stdout.replace(/\0+$/, "");
    expect(shown("verbose")).toBe(title);
    expect(title.startsWith(shown("strict"))).toBe(true);
    expect(shown("strict").length).toBeLessThan(title.length);
  });
});

describe("the exit status of a daemon that does not start", () => {
  it("tells a service manager when the next attempt would end in the same way", () => {
    expect([configErrors.invalid("x"), configErrors.unreadable("x"), configErrors.notFound("x"), supervisorErrors.root("x")].map(exitStatusOf)).toEqual([78, 78, 78, 78]);
    expect(exitStatusOf(supervisorErrors.nagiosPort("x"))).toBe(12);
    const unit = readFileSync(join(import.meta.dirname, "../../../etc/systemd/moneta.service"), "utf8");
    expect(unit).toMatch(/^RestartPreventExitStatus=78$/m);
    expect(exitStatusOf(new Error("x"))).toBe(1);
  });
});

requires("systemd-analyze").describe("the unit for systemd", () => {
  it("is one that systemd itself has nothing to say against, and that leaves the daemon little to do harm with", () => {
    const root = join(import.meta.dirname, "../../..");
    const unit = readFileSync(join(root, "etc/systemd/moneta.service"), "utf8");
    // Its programs are looked for where the package puts them: here they lie in the sources.
    const file = join(temporaryDirectory({ prefix: "munit" }).path, "moneta.service");
    writeFileSync(file, unit.replaceAll(/^(Exec\w+=)(moneta\S*)/gm, (_line, key: string, name: string) => `${key}${join(root, "bin", name)}`));
    const analyze = (...words: string[]) => spawnSync(tool("systemd-analyze"), words, { encoding: "utf8", env: { PATH: process.env["PATH"], LC_ALL: "C.UTF-8" } });
    const verified = analyze("verify", "--man=no", file);
    expect([verified.status, verified.stdout + verified.stderr]).toEqual([0, ""]);
    const security = analyze("security", "--no-pager", "--offline=true", "--threshold=30", file);
    expect(security.status, security.stdout + security.stderr).toBe(0);
    for (const line of ["Type=notify", "User=moneta", "NoNewPrivileges=yes", "CapabilityBoundingSet="]) expect(unit.split("\n")).toContain(line);
    expect(unit).toMatch(/^WatchdogSec=\d+min$/m);
  });
});

const server = (name: string, receiver: "streaming" | "connecting", more: Partial<SupervisedServer> = {}): SupervisedServer => serverWith({ receiver }, { name, ...more });

function sources(jobs: readonly Partial<Job>[]): StatusSources {
  return {
    entries: () => [],
    activeJobs: (name: string) => jobs.filter((job) => job.server === name),
    space: { problems: () => [] },
    main: () => ({ baseDir: "/b" }),
    now: () => 10_000,
  } as unknown as StatusSources;
}

describe("the state in one line", () => {
  it("names servers whose WAL does not come in, jobs of operators and problems", () => {
    const servers = [
      server("a", "streaming"),
      server("b", "connecting", { online: false, receiver: { child: { state: "stopped" } } as SupervisedServer["receiver"] }),
    ];
    const jobs: Partial<Job>[] = [
      { server: "a", command: "backup", state: "running" },
      { server: "a", command: "archive-wal", state: "running" },
      { server: "a", command: "restore", state: "waiting" },
    ];
    expect(serviceStatus(servers, sources(jobs))).toBe("WAL of 1 of 2 servers is received, not of b; running: backup of a; 1 waiting; problems: SERVER_OFFLINE of b");
    expect(serviceStatus(servers.slice(0, 1), sources([]))).toBe("WAL of 1 of 1 server is received");
    expect(serviceStatus([], sources([]))).toBe("WAL of 0 of 0 servers is received");
  });

  it("does not say of a receiver that is gone that it streams, and names no more than five", () => {
    const gone = { child: { state: "backoff" } } as SupervisedServer["receiver"];
    const many = ["a", "b", "c", "d", "e", "f", "g"].map((name) => server(name, "streaming", { receiver: gone }));
    expect(serviceStatus(many, sources([]))).toBe("WAL of 0 of 7 servers is received, not of a, b, c, d, e and 2 more");
  });
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { loadConfiguration } from "../../../src/config/index.ts";
import { run, type Finished } from "../../support/processes.ts";
import { registerResource } from "../../support/resources.ts";
import { requires } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { asUnprivileged, giveToUnprivileged } from "../../support/unprivileged-user.ts";
import { waitFor } from "../../support/wait-for.ts";

const program = resolve(import.meta.dirname, "../../../bin/moneta-admin");
let home = "";
let users = "";

beforeEach(() => {
  home = temporaryDirectory({ unprivileged: true }).path;
  users = join(home, "users.conf");
});

const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  HOME: home,
  LC_ALL: "C.UTF-8",
  ...more,
});

function admin(
  args: readonly string[],
  more: { readonly env?: NodeJS.ProcessEnv; readonly input?: string } = {},
): Promise<Finished> {
  const input = more.input === undefined ? {} : { input: more.input };
  return run(program, args, { env: environment(more.env), unprivileged: true, ...input });
}

async function must(args: readonly string[], more: Parameters<typeof admin>[1] = {}): Promise<string> {
  const { status, stdout, stderr } = await admin(args, more);
  expect(`${stderr}status ${status ?? "none"}`).toMatch(/status 0$/);
  return stdout;
}

const createKey = (): Promise<string> => must(["-P", "a pass phrase", "master-key"]);

describe("options", () => {
  test("-V prints the version and -? the help, both with status 0", async () => {
    expect(await must(["-V"])).toMatch(/^moneta-admin \d+\.\d+\.\d+\n$/);
    expect(await must(["--version"])).toMatch(/^moneta-admin /);
    expect(await must(["-?"])).toContain("PGMONETA_PASSWORD");
    expect(await must(["user", "--help"])).toContain("ls");
  });
  test.each([
    [[]],
    [["user"]],
    [["nonsense"]],
    [["user", "nonsense"]],
    [["-x", "master-key"]],
    [["-l", "0", "master-key"]],
    [["-l", "1025", "master-key"]],
    [["-F", "xml", "master-key"]],
    [["user", "ls", "more"]],
  ])("%j is refused with a status that is not 0", async (args) => {
    const { status, stderr } = await admin(args);
    expect(status).not.toBe(0);
    expect(stderr).not.toBe("");
  });
  test("they may stand before and behind the command", async () => {
    await createKey();
    await must(["user", "add", "-f", users, "--user", "a", "--password", "x"]);
    await must(["-f", users, "user", "add", "-U", "b", "-P", "x"]);
    expect(await must(["user", "-f", users, "ls"])).toBe("a\nb\n");
  });
});

describe("master-key", () => {
  test("is made once, private, and never replaced", async () => {
    await createKey();
    const path = join(home, ".pgmoneta/master.key");
    const before = await readFile(path, "utf8");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const second = await admin(["-P", "another phrase", "master-key"]);
    expect(second.status).toBe(1);
    expect(second.stderr).toMatch(/^moneta-admin: the master key ".*" exists already\nHint: /);
    expect(await readFile(path, "utf8")).toBe(before);
  });
  test("takes the pass phrase from the environment, and generates one", async () => {
    await must(["master-key"], { env: { PGMONETA_PASSWORD: "from the environment" } });
    const [first] = (await readFile(join(home, ".pgmoneta/master.key"), "utf8")).split("\n");
    expect(Buffer.from(first ?? "", "base64").toString()).toBe("from the environment");
    const elsewhere = join(home, "k/master.key");
    expect(await must(["-m", elsewhere, "-g", "-l", "100", "master-key"])).not.toMatch(/\S{64}/);
    const [generated] = (await readFile(elsewhere, "utf8")).split("\n");
    expect(Buffer.from(generated ?? "", "base64")).toHaveLength(100);
  });
  test("a short one is refused", async () => {
    const { status, stderr } = await admin(["-P", "short", "master-key"]);
    expect([status, stderr.split("\n")[0]]).toEqual([1, "moneta-admin: the master key is shorter than 8 characters"]);
  });
});

describe("user", () => {
  test("add, edit, ls and del work on the file that the daemon reads", async () => {
    await createKey();
    await must(["-f", users, "-U", "repl", "-P", "first", "user", "add"]);
    await must(["-f", users, "-U", "gone", "-P", "x", "user", "add"]);
    await must(["-f", users, "-U", "repl", "user", "edit"], { env: { PGMONETA_PASSWORD: "it's # the second" } });
    await must(["-f", users, "-U", "gone", "user", "del"]);
    expect(await must(["-f", users, "user", "ls"])).toBe("repl\n");
    expect((await stat(users)).mode & 0o777).toBe(0o600);
  });

  requires("not-root").test("what it wrote is what loadConfiguration reads", async () => {
    await createKey();
    await must(["-f", users, "-U", "repl", "-P", "it's # the password", "user", "add"]);
    await mkdir(join(home, "s"));
    const sections = `[pgmoneta]\nhost = *\nunix_socket_dir = ${home}/s\nbase_dir = ${home}/b\n[p]\nhost = h\nport = 1\nuser = repl\nwal_slot = s\n`;
    await writeFile(join(home, "pgmoneta.conf"), sections);
    const { configuration } = await loadConfiguration({ directory: home, users, environment: environment() });
    expect(configuration.users.get("repl")).toBe("it's # the password");
  });

  test("without a master key nothing is written, and the command that makes one is named", async () => {
    const { status, stderr } = await admin(["-f", users, "-U", "a", "-P", "x", "user", "add"]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/master\.key" is not there\nHint: .*moneta-admin master-key/);
    await expect(stat(users)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test.each([
    ["add", ["-U", "a", "-P", "x"], "USER_EXISTS"],
    ["edit", ["-U", "b", "-P", "x"], "USER_MISSING"],
    ["del", ["-U", "b"], "USER_MISSING"],
  ])("%s fails where it must, also as a document", async (command, args, code) => {
    await createKey();
    await must(["-f", users, "-U", "a", "-P", "x", "user", "add"]);
    const before = await readFile(users, "utf8");
    const { status, stdout } = await admin(["-f", users, ...args, "-F", "json", "user", command]);
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ Outcome: { Status: false, Error: 1, Code: code } });
    expect(await readFile(users, "utf8")).toBe(before);
  });

  test("a file that others can read, or a missing one, is refused", async () => {
    await createKey();
    expect((await admin(["-f", users, "user", "ls"])).status).toBe(1);
    await must(["-f", users, "-U", "a", "-P", "x", "user", "add"]);
    await chmod(users, 0o644);
    const { status, stderr } = await admin(["-f", users, "user", "ls"]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("has mode 0644, expected 0600")]);
  });

  test("without -f it is refused", async () => {
    expect((await admin(["user", "ls"])).stderr).toContain("name it with -f");
  });

  test("documents have pgmoneta's form, and a generated password is told", async () => {
    await createKey();
    const document = JSON.parse(
      await must(["-f", users, "-U", "a", "-g", "-l", "20", "-F", "json", "user", "add"]),
    ) as { Response: { Password: string } };
    expect(document).toMatchObject({
      Header: {
        Command: 101,
        ClientVersion: expect.any(String) as string,
        Output: 1,
        Timestamp: expect.stringMatching(/^\d{14}$/) as string,
      },
      Outcome: { Status: true, Time: expect.stringMatching(/^\d\d:\d\d:\d+\.\d{4}$/) as string },
      Response: { Users: ["a"] },
    });
    expect(document.Response.Password).toHaveLength(20);
    expect(await must(["-f", users, "-U", "b", "-g", "user", "add"])).toMatch(/^Password: \S{64}$/m);
  });

  test("name and password are asked for, the questions not on standard output", async () => {
    await createKey();
    const { status, stdout, stderr } = await admin(["-f", users, "-F", "json", "user", "add"], {
      input: "asked\npass word\npass word\n",
    });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ Response: { Users: ["asked"] } });
    expect(stderr).toBe("User name: \nPassword: \nPassword (again): \n");
    expect((await admin(["-f", users, "-U", "b", "user", "add"], { input: "one\nother\n" })).status).toBe(1);
    expect((await admin(["-f", users, "-U", "b", "user", "add"], { input: "" })).status).toBe(1);
    expect(await must(["-f", users, "user", "ls"])).toBe("asked\n");
  });
});

requires("script").test("at a terminal the password is not shown, and Ctrl-C changes nothing", async () => {
  for (const [answer, status] of [
    ["a secret phrase\r", 0],
    ["\u0003", 130],
  ] as const) {
    const key = join(home, `k${status}`, "master.key");
    const command = `'${process.execPath}' '${program}' -m '${key}' master-key`;
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      env: environment({ SHELL: "/bin/sh" }),
      cwd: "/",
      stdio: "pipe",
      ...asUnprivileged(),
    });
    const forget = registerResource({
      name: "terminal",
      release: async () => void child.kill("SIGKILL"),
      abandon: () => void child.kill("SIGKILL"),
    });
    let shown = "";
    child.stdout.on("data", (piece: Buffer) => (shown += piece.toString()));
    await waitFor("the first question", () => shown.includes("Master key: "), { seen: () => shown });
    child.stdin.write(answer);
    if (status === 0) {
      await waitFor("the second question", () => shown.includes("(again): "), { seen: () => shown });
      child.stdin.write(answer);
    }
    const [code] = (await once(child, "close")) as [number | null];
    forget();
    expect(code).toBe(status);
    expect(shown).not.toContain("secret");
    if (status === 0) await stat(key);
    else await expect(stat(key)).rejects.toMatchObject({ code: "ENOENT" });
  }
});

test("users that are added, changed and removed at the same time are all there afterwards, or gone", async () => {
  await createKey();
  const add = (name: string) => must(["-f", users, "-U", name, "-P", `secret of ${name}`, "user", "add"]);
  await add("leaving");
  await add("changing");
  await Promise.all([
    ...["one", "two", "three", "four"].map(add),
    must(["-f", users, "-U", "leaving", "user", "del"]),
    must(["-f", users, "-U", "changing", "-P", "another secret", "user", "edit"]),
  ]);
  const names = (await must(["-f", users, "user", "ls"])).trim().split("\n");
  expect(names.toSorted()).toEqual(["changing", "four", "one", "three", "two"]);
});

describe("conf", () => {
  const text = "# Mine\n[pgmoneta]\nhost = localhost\nworkers = 1\n";
  let file = "";
  beforeEach(async () => {
    file = join(home, "pgmoneta.conf");
    await writeFile(file, text, { mode: 0o600 });
    giveToUnprivileged(home);
  });

  test("edits a file, in words and as a document", async () => {
    expect(await must(["conf", "get", file, "pgmoneta", "workers"])).toBe("1\n");
    expect(await must(["conf", "set", file, "pgmoneta", "workers", "4"])).toContain("workers of [pgmoneta] is 4 in");
    expect(JSON.parse(await must(["-F", "json", "conf", "get", file, "pgmoneta", "workers"]))).toMatchObject({ Header: { Command: 1101 }, Outcome: { Status: true }, Response: { Value: "4" } });
    const { status, stderr } = await admin(["conf", "set", file, "pgmoneta", "workers", "many"]);
    expect([status, stderr.includes('found "many"')]).toEqual([6, true]);
    expect(await readFile(file, "utf8")).toBe(text.replace("workers = 1", "workers = 4"));
    expect((await admin(["conf", "get", file])).status).not.toBe(0);
  });

  const { test: testHere } = requires("strace");
  for (const call of ["fsync", "rename"]) {
    testHere(`that is killed at its ${call} leaves the file as it was, and the next one writes it`, async () => {
      const words = ["-f", "-qq", "-o", "/dev/null", "-e", `trace=${call}`, "-e", `inject=${call}:signal=SIGKILL:when=1`];
      const killed = await run("strace", [...words, program, "conf", "set", file, "pgmoneta", "workers", "4"], { env: environment(), unprivileged: true });
      expect(killed.status).not.toBe(0);
      expect([text, text.replace("workers = 1", "workers = 4")]).toContain(await readFile(file, "utf8"));
      await must(["conf", "set", file, "pgmoneta", "workers", "5"]);
      expect(await readFile(file, "utf8")).toBe(text.replace("workers = 1", "workers = 5"));
    });
  }
});

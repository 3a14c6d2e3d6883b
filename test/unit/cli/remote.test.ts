/** moneta-cli and remote management: how it is reached, where the password comes from, what becomes of a job. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { cliErrors, runCli, type Terminal } from "../../../src/cli/index.ts";
import { chooseTls } from "../../../src/cli/remote-settings.ts";
import { systemClock } from "../../../src/common/index.ts";
import type { LoadedClientConfiguration } from "../../../src/config/index.ts";
import { backupResponse, managementErrors, progressResponse, type JobSummary, type JsonObject, type ManagementHandler } from "../../../src/management/index.ts";
import { createAuthority, type Authority, type Certificate } from "../../support/certificates.ts";
import { requires } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";
import { newer, primary } from "../management/facts.ts";
import { passwords, startRemote, type RemoteDaemon } from "../management/remote-harness.ts";

const running: JobSummary = { id: "7", server: "primary", command: "backup", state: "running", phase: "base backup", doneBytes: 100, totalBytes: 1000, elapsedMs: 200, bytesPerSecond: 500 };

/** A daemon whose backup runs until somebody ends it. */
let job: { state: "none" | "running" | "cancelled" | "succeeded"; looks: number } = { state: "none", looks: 0 };
const handle: ManagementHandler = async (request) => {
  switch (request.command) {
    case "backup":
      job = { state: "running", looks: 0 };
      await waitFor("the backup has ended", () => job.state !== "running");
      if (job.state === "cancelled") throw managementErrors.jobUnknown("the backup was cancelled");
      return { status: true, response: backupResponse(primary, newer, 1) };
    case "progress": {
      job.looks += 1;
      const over: JsonObject = { Job: "7", Command: "backup", State: job.state, ...(job.state === "succeeded" ? {} : { Code: "JOB_CANCELLED", Message: "an operator cancelled it", Hint: "Ask." }) };
      return { status: true, response: { ...progressResponse(primary, job.state === "running" ? [running] : []), Last: job.state === "running" || job.state === "none" ? null : over } };
    }
    case "cancel":
      job.state = "cancelled";
      return { status: true, response: { Cancelled: [{ Job: request.fields.Job ?? null }] } };
    default:
      return { status: true, response: { MonetaVersion: "test" } };
  }
};

let daemon: RemoteDaemon;
let directory: string;
beforeAll(async () => {
  daemon = await startRemote({}, { handle });
});
afterAll(() => daemon.close());
beforeEach(() => {
  directory = temporaryDirectory({ prefix: "clir" }).path;
  job = { state: "none", looks: 0 };
});

const configure = (...lines: string[]): void => writeFileSync(join(directory, "pgmoneta_cli.conf"), ["[pgmoneta]", ...lines, ""].join("\n"));
const place = (): string[] => ["-h", "127.0.0.1", "-p", String(daemon.port())];

interface Run {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(words: readonly string[], more: Partial<Terminal> = {}): Promise<Run> {
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({ write: (text: string) => void (written[name] += text), isTTY: false, columns: 80 });
  const nobody = () => Promise.reject(cliErrors.noInput("the input ended"));
  const status = await runCli(words, {
    stdout: output("stdout"),
    stderr: output("stderr"),
    environment: {},
    userId: 1000,
    homeDirectory: directory,
    clock: systemClock,
    ask: nobody,
    askSecret: nobody,
    interactive: false,
    onInterrupt: () => () => undefined,
    interrupted: new AbortController().signal,
    version: "1.2.3",
    defaultDirectory: directory,
    ...more,
  });
  return { status, ...written };
}

describe("the password", () => {
  it("comes from -P, the environment, a pass file or the question, in this order", async () => {
    const alice = [...place(), "-U", "alice", "ping"];
    expect((await run([...alice, "-P", passwords.alice], { environment: { PGMONETA_PASSWORD: "wrong" } })).status).toBe(0);
    writeFileSync(join(directory, ".pgpass"), `127.0.0.1:${daemon.port()}:admin:alice:${passwords.alice}\n`, { mode: 0o600 });
    expect((await run(alice, { environment: { PGMONETA_PASSWORD: "wrong" } })).status).toBe(15);
    expect((await run(alice)).status).toBe(0);
    const questions: string[] = [];
    const answers = (text: string) => (question: string) => (questions.push(question), Promise.resolve(text));
    const asked = await run([...place(), "ping"], { ask: answers(" olga "), askSecret: answers(passwords.olga) });
    expect([asked.status, asked.stderr]).toEqual([0, ""]);
    expect(questions).toEqual(["User name: ", "Password of olga: "]);
    const nobody = await run([...place(), "-U", "vera", "ping"]);
    expect(nobody.status).toBe(2);
    expect(nobody.stderr).toContain("CLI_NO_INPUT");
  });

  it("is not taken from a file that others can read, nor looked for elsewhere when a file is named that lacks it", async () => {
    const file = join(directory, "pass");
    const words = [...place(), "-U", "alice", "--password-file", file, "ping"];
    expect(await run(words)).toMatchObject({ status: 2, stderr: expect.stringContaining("REMOTE_PASSWORD_MISSING") as string });
    writeFileSync(file, `*:*:*:*:${passwords.alice}\n`, { mode: 0o644 });
    const { status, stderr } = await run(words);
    expect(status).not.toBe(0);
    expect(stderr).toContain("PASS_FILE_REFUSED");
    expect(stderr).not.toContain(passwords.alice);
  });
});

describe("the address", () => {
  it("needs host and port, which the file may give, and the file may say how to print", async () => {
    for (const words of [["-h", "db", "ping"], ["-p", "5001", "ping"], [...place().slice(0, 2), "-p", "70000", "ping"]]) {
      expect(await run(words)).toMatchObject({ status: 2, stderr: expect.stringContaining("COMMAND_LINE_INVALID") as string });
    }
    configure("host = 127.0.0.1", `port = ${daemon.port()}`, "user = vera", "password_file = pass", "output = json", "compression = zstd");
    writeFileSync(join(directory, "pass"), `127.0.0.1:*:admin:vera:${passwords.vera}\n`, { mode: 0o600 });
    configure("host = 127.0.0.1", `port = ${daemon.port()}`, "user = vera", `password_file = ${directory}/pass`, "output = json", "compression = zstd");
    const { status, stdout } = await run(["ping"]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ Header: { Output: "json", Compression: "zstd", Encryption: "none" }, Outcome: { Status: true } });
    expect(daemon.asked.at(-1)).toMatchObject({ command: "ping", principal: { user: "vera", role: "viewer" } });
  });

  it("that nobody answers at is status 3, and nothing is done here in its stead", async () => {
    const free = await startRemote();
    const port = String(free.port());
    await free.close();
    const file = join(directory, "file");
    writeFileSync(file, "precious");
    const { status, stderr } = await run(["-h", "127.0.0.1", "-p", port, "-U", "alice", "-P", "x", "compress", file]);
    expect(status).toBe(3);
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(readFileSync(file, "utf8")).toBe("precious");
  });

  it("has paths of its own: one of this directory is refused", async () => {
    const { status, stderr } = await run([...place(), "-U", "alice", "-P", passwords.alice, "restore", "primary", "newest", "here"]);
    expect(status).toBe(2);
    expect(stderr).toContain('"here" must be absolute');
  });

  it("tells a viewer that it may not, as text and as a document, with status 15", async () => {
    const words = [...place(), "-U", "vera", "-P", passwords.vera, "shutdown"];
    expect(await run(words)).toMatchObject({ status: 15, stderr: expect.stringContaining("ROLE_INSUFFICIENT") as string });
    expect(JSON.parse((await run([...words, "-F", "json"])).stdout)).toMatchObject({ Outcome: { Status: false, Code: "ROLE_INSUFFICIENT", Exit: 15 } });
  });
});

describe("TLS", () => {
  const client = (options: object): LoadedClientConfiguration => ({ options: options as LoadedClientConfiguration["options"], set: new Set(), file: undefined, warnings: [] });

  it("is required by default but for this machine, and what lies in ~/.pgmoneta is used", () => {
    expect(chooseTls({}, client({}), directory, "backup.example.org")).toEqual({ mode: "require" });
    expect(chooseTls({}, client({}), directory, "localhost")).toEqual({ mode: "prefer" });
    expect(chooseTls({ tlsMode: "disable" }, client({}), directory, "db")).toEqual({ mode: "disable" });
    mkdirSync(join(directory, ".pgmoneta"));
    for (const name of ["root.crt", "pgmoneta.crt", "pgmoneta.key"]) writeFileSync(join(directory, ".pgmoneta", name), "");
    const at = (name: string): string => join(directory, ".pgmoneta", name);
    expect(chooseTls({}, client({}), directory, "db")).toEqual({ mode: "require", caFile: at("root.crt"), certFile: at("pgmoneta.crt"), keyFile: at("pgmoneta.key") });
    const file = client({ tlsMode: "verify-full", tlsCaFile: "/ca", tlsCertFile: "/c", tlsKeyFile: "/k" });
    expect(chooseTls({}, file, directory, "db")).toEqual({ mode: "verify-full", caFile: "/ca", certFile: "/c", keyFile: "/k" });
    expect(chooseTls({ tlsCa: "/mine", tlsCert: "/d", tlsKey: "/l" }, file, directory, "db")).toEqual({ mode: "verify-full", caFile: "/mine", certFile: "/d", keyFile: "/l" });
    // Clear text and an authority contradict each other; only the command line overrules the file.
    const contradiction = expect.objectContaining({ code: "COMMAND_LINE_INVALID", message: expect.stringContaining("clear text") as string }) as Error;
    expect(() => chooseTls({ tlsMode: "disable", tlsCa: "/mine" }, client({}), directory, "db")).toThrow(contradiction);
    expect(() => chooseTls({}, client({ tlsMode: "disable", tlsCaFile: "/ca" }), directory, "db")).toThrow(contradiction);
    expect(() => chooseTls({ tlsCa: "/mine" }, client({ tlsMode: "disable" }), directory, "db")).toThrow(contradiction);
    expect(chooseTls({ tlsMode: "disable" }, file, directory, "db")).toEqual({ mode: "disable" });
    expect(() => chooseTls({ tlsMode: "sometimes" }, client({}), directory, "db")).toThrow(expect.objectContaining({ code: "COMMAND_LINE_INVALID" }) as Error);
  });

  requires("openssl").it("with the files of options and configuration", async () => {
    const authority: Authority = createAuthority();
    const own: Certificate = authority.issue({ commonName: "d", alternativeNames: ["DNS:localhost"] });
    const secure = await startRemote({ tls: { ...own, caFile: authority.certFile }, tlsRequired: true });
    const shown = authority.issue({ commonName: "alice" });
    const words = ["-h", "localhost", "-p", String(secure.port()), "-U", "alice", "-P", passwords.alice, "ping"];
    expect(await run([...words, "--tls-ca", authority.certFile, "--tls-cert", shown.certFile, "--tls-key", shown.keyFile])).toMatchObject({ status: 0 });
    configure(`tls_ca_file = ${authority.certFile}`, `tls_cert_file = ${shown.certFile}`, `tls_key_file = ${shown.keyFile}`);
    expect(await run(words)).toMatchObject({ status: 0 });
    configure(`tls_ca_file = ${createAuthority().certFile}`);
    expect(await run(words)).toMatchObject({ status: 4, stderr: expect.stringContaining("REMOTE_TLS_FAILED") as string });
    await secure.close();
  });
});

describe("a job", () => {
  const words = (...command: string[]): string[] => [...place(), "-U", "alice", "-P", passwords.alice, ...command];

  /** Ctrl-C once the job is seen, and the answer to the question that follows. */
  function sitting(answer: string): Partial<Terminal> & { readonly questions: string[] } {
    const questions: string[] = [];
    return {
      questions,
      interactive: true,
      ask: (question) => (questions.push(question), Promise.resolve(answer)),
      onInterrupt(handler) {
        void waitFor("it has looked", () => job.state === "running" && job.looks >= 2).then(handler);
        return () => undefined;
      },
    };
  }

  it("is left alone, cancelled or waited for after Ctrl-C, as the answer says", async () => {
    const leave = sitting("");
    expect(await run(words("backup", "primary"), leave)).toMatchObject({ status: 130, stderr: expect.stringContaining("goes on") as string });
    expect(leave.questions).toEqual(["The backup of primary runs in the daemon. Leave it running (l), cancel it (c), or wait on (w)? [l] "]);
    expect(job.state).toBe("running");
    job.state = "succeeded";
    job.looks = 0;
    expect((await run(words("backup", "primary"), sitting("c"))).status).not.toBe(0);
    expect(job.state).toBe("cancelled");
    expect(daemon.asked.filter(({ command }) => command === "cancel")).toHaveLength(1);
    job.looks = 0;
    const wait = sitting("w");
    const waiting = run(words("backup", "primary"), wait);
    await waitFor("the question was answered", () => wait.questions.length === 1);
    job.state = "succeeded";
    expect((await waiting).status).toBe(0);
  });

  it("is found again by progress --follow, which ends as it ends", async () => {
    job = { state: "running", looks: 0 };
    const following = run(words("progress", "primary", "--follow"));
    await waitFor("it looks", () => job.looks >= 1);
    job.state = "succeeded";
    const done = await following;
    expect(done).toMatchObject({ status: 0, stderr: expect.stringContaining("backup (job 7): base backup, 10 %") as string });
    job = { state: "running", looks: 0 };
    const cancelled = run(words("progress", "primary", "--follow"));
    await waitFor("it looks", () => job.looks >= 1);
    job.state = "cancelled";
    expect(await cancelled).toMatchObject({ status: 20, stderr: expect.stringContaining("an operator cancelled it") as string });
    job = { state: "none", looks: 0 };
    expect((await run(words("progress", "primary", "--follow"))).status).toBe(0);
  });
});

it("completion asks the daemon for words, and nobody else for anything", async () => {
  expect(await run([...place(), "-U", "alice", "complete", "servers"])).toEqual({ status: 0, stdout: "", stderr: "" });
  expect(await run(["complete", "servers"])).toEqual({ status: 0, stdout: "", stderr: "" });
});

/**
 * Logins of remote management in clear text: who gets in, what a stranger learns, what a hostile client can do; J04 over the
 * socket (who may what and the lines about it by themselves: guarded-handler.test.ts).
 */
import type { AddressInfo, Server, Socket } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { buildRequest, commandNames, commandTable, encodeDocument, encodeFrame, leastRole, sendRequest, type CommandName } from "../../../src/management/index.ts";
import { createLoginDelays } from "../../../src/management/login-delays.ts";
import { roleAllows, roleNamed } from "../../../src/auth/index.ts";
import { systemClock } from "../../../src/common/index.ts";
import { waitFor } from "../../support/wait-for.ts";
import { passwords, startRemote, type RemoteDaemon } from "./remote-harness.ts";

/** The stranger: it is no part of the program, and not even of its types. */
const { createPgmonetaServer, logInAsPgmoneta } = (await import(join(import.meta.dirname, "../../fixtures/plain-login.mjs"))) as {
  readonly createPgmonetaServer: (user: string, password: string, serve: (socket: Socket) => void) => Server;
  readonly logInAsPgmoneta: (socket: Socket, user: string, password: string) => Promise<Buffer[]>;
};

let daemon: RemoteDaemon;
beforeAll(async () => {
  daemon = await startRemote({}, { clock: { ...systemClock, monotonic: () => now } });
});
afterAll(() => daemon.close());
/** Back-off is by this clock: tests that fail logins on purpose move it on. */
let now = 0;
afterEach(() => {
  now += 3_600_000;
});

const start = (user: string, database = "admin", version = 196_608): Buffer => {
  const body = Buffer.from(`user\0${user}\0database\0${database}\0\0`);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + body.length, 0);
  head.writeUInt32BE(version, 4);
  return Buffer.concat([head, body]);
};
const sasl = (text: string, mechanism = "SCRAM-SHA-256"): Buffer => {
  const data = Buffer.from(text);
  const body = Buffer.concat([Buffer.from(`${mechanism}\0`), Buffer.from([0, 0, data.length >> 8, data.length & 255]), data]);
  return Buffer.concat([Buffer.from("p"), Buffer.from([0, 0, (body.length + 4) >> 8, (body.length + 4) & 255]), body]);
};

/** All that the daemon says until it closes. */
async function untilClosed(socket: Socket): Promise<string> {
  const pieces: Buffer[] = [];
  socket.on("data", (piece) => pieces.push(piece));
  socket.resume();
  await new Promise<void>((resolve) => socket.once("end", resolve).once("close", () => resolve()));
  socket.end();
  return Buffer.concat(pieces).toString("latin1");
}

describe("a login", () => {
  it.each([["alice"], ["olga"], ["vera"]] as const)("of %s succeeds with the right password, and the request is answered", async (user) => {
    const answer = await daemon.ask("ping", daemon.address(user, passwords[user]));
    expect(answer.outcome.status).toBe(true);
    expect(daemon.asked.at(-1)?.principal).toMatchObject({ kind: "remote", user });
  });

  it("is refused in the same words and with the same salt, whether the user exists or not", async () => {
    const refusals = new Map<string, string>();
    for (const user of ["alice", "nobody", "nobody", "alice"]) {
      now += 3_600_000;
      const socket = await daemon.connect();
      const said = untilClosed(socket);
      socket.write(start(user));
      socket.write(sasl("n,,n=,r=abcdefghijklmnopqrstuvwx"));
      // Not the nonce that the daemon gave.
      const final = Buffer.from(`c=biws,r=x,p=${Buffer.alloc(32, 1).toString("base64")}`);
      socket.write(Buffer.concat([Buffer.from("p"), Buffer.from([0, 0, 0, final.length + 4]), final]));
      const text = (await said).replace(/r=[^,]*/, "r=").replaceAll(user, "<user>");
      expect(text).toContain("i=4096");
      const before = refusals.get(user);
      if (before !== undefined) expect(text).toBe(before);
      refusals.set(user, text);
    }
    const [one = "", other = ""] = refusals.values();
    const salt = (text: string): string => /s=([^,]*)/.exec(text)?.[1] ?? "";
    expect(salt(one)).toMatch(/^[A-Za-z0-9+/]{22}==$/);
    expect(salt(one)).not.toBe(salt(other));
    expect(one.replace(salt(one), "")).toBe(other.replace(salt(other), ""));
    const errors = await Promise.all(
      [daemon.address("alice", "wrong"), daemon.address("nobody", "wrong")].map((address) =>
        daemon.ask("ping", address).then(() => "", (error: Error) => error.message.replaceAll(address.user, "<user>")),
      ),
    );
    expect(errors[0]).toContain("password authentication failed");
    expect(errors[0]).toBe(errors[1]);
  });

  it("of one address is not looked at for longer and longer after failures, whoever it is, and then works again", async () => {
    const wrong = () => daemon.ask("ping", daemon.address("alice", "wrong"));
    for (let count = 0; count < 3; count += 1) await expect(wrong()).rejects.toMatchObject({ code: "REMOTE_LOGIN_REFUSED" });
    await expect(wrong()).rejects.toMatchObject({ code: "REMOTE_LOGIN_DELAYED", retryable: true });
    await expect(daemon.ask("ping", daemon.address("alice", passwords.alice))).rejects.toMatchObject({ code: "REMOTE_LOGIN_DELAYED" });
    expect(daemon.text()).toContain('the login of "alice" is refused, from 127.0.0.1:');
    expect(daemon.text()).not.toContain("wrong");
    now += 1_001;
    await expect(daemon.ask("ping", daemon.address("alice", passwords.alice))).resolves.toMatchObject({ outcome: { status: true } });
  });

  it("is guessed no quicker over many connections at once: of thirty, what is looked at is what one after the other would be (J04)", async () => {
    const before = daemon.text().length;
    const tried = await Promise.allSettled(Array.from({ length: 30 }, (_, at) => daemon.ask("ping", daemon.address("alice", `guess ${at}`))));
    const codes = tried.map((one) => (one.status === "rejected" ? (one.reason as { code: string }).code : "in"));
    expect(codes.filter((code) => code === "REMOTE_LOGIN_REFUSED")).toHaveLength(3);
    expect(codes.filter((code) => code === "REMOTE_LOGIN_DELAYED")).toHaveLength(27);
    // Not even the right one is, meanwhile; and the log has who was guessed for and from where.
    await expect(daemon.ask("ping", daemon.address("alice", passwords.alice))).rejects.toMatchObject({ code: "REMOTE_LOGIN_DELAYED" });
    expect(daemon.text().slice(before)).toMatch(/the login of "alice" is refused, from 127\.0\.0\.1:/);
    expect(daemon.text()).not.toContain("guess ");
  });

  it("that was recorded cannot be played again (J04)", async () => {
    const first = await daemon.connect();
    const recorded = await logInAsPgmoneta(first, "alice", passwords.alice);
    first.destroy();
    const socket = await daemon.connect();
    const said = untilClosed(socket);
    for (const bytes of recorded) socket.write(bytes);
    expect(await said).toMatch(/C08P01/);
  });
});

describe("of all commands (J04)", () => {
  /** A request that is acceptable in itself: what must be said is said. */
  const fieldsOf = (command: CommandName): Record<string, string> => {
    const choices = commandTable[command].arguments.flatMap(({ field, choices: [first] = [] }) => (first === undefined ? [] : [[field, first] as const]));
    const texts = Object.entries(commandTable[command].fields).flatMap(([name, type]) => (type === "text" ? [[name, "x"] as const] : []));
    return Object.fromEntries([...texts, ...choices.filter(([field]) => commandTable[command].fields[field] === "text")]);
  };
  const frameOf = (command: CommandName): Promise<Buffer> =>
    encodeFrame(encodeDocument(buildRequest(command, fieldsOf(command), { output: "raw", compression: 0, encryption: 0, now: 0 })), { compression: "none", encryption: "none" }, undefined);

  it.each([["alice", "admin"], ["olga", "operator"], ["vera", "viewer"]] as const)("%s, %s, gets those of the role, and no other", async (user, role) => {
    for (const command of commandNames) {
      const least = leastRole(command, fieldsOf(command));
      const seen = daemon.asked.length;
      const written = daemon.audit.text();
      const { outcome } = await daemon.ask(command, daemon.address(user, passwords[user]), fieldsOf(command));
      if (!commandTable[command].available) {
        // Nobody can have it, whoever they are, and it never comes to the question of the role.
        expect([command, daemon.asked.length, outcome.status ? "" : outcome.code]).toEqual([command, seen, "COMMAND_NOT_AVAILABLE"]);
        continue;
      }
      const may = roleAllows(roleNamed(role) ?? "viewer", least);
      expect([command, daemon.asked.slice(seen).map((one) => one.command)]).toEqual([command, may ? [command] : []]);
      expect([command, outcome.status, outcome.status ? undefined : outcome.code]).toEqual([command, may, may ? undefined : "ROLE_INSUFFICIENT"]);
      const line = daemon.audit.text().slice(written.length);
      if (may && least === "viewer") expect([command, line]).toEqual([command, ""]);
      else expect([command, line]).toEqual([command, expect.stringMatching(`${user} \\(${role}\\) from 127\\.0\\.0\\.1:\\d+: ${command}.*: ${may ? "done" : "refused or failed with ROLE_INSUFFICIENT"} `) as string]);
    }
  });

  it.each(commandNames)("%s is not heard without a login: at once, in place of the password, or behind a wrong one", async (command) => {
    const seen = daemon.asked.length;
    const frame = await frameOf(command);
    for (const bytes of [frame, Buffer.concat([start("alice"), frame]), Buffer.concat([start("alice"), sasl("n,,n=,r=abcdefghijklmnopqrstuvwx"), frame])]) {
      now += 3_600_000;
      const socket = await daemon.connect();
      const said = untilClosed(socket);
      socket.end(bytes);
      expect(await said).not.toContain("Outcome");
    }
    expect(daemon.asked).toHaveLength(seen);
  });
});

describe("pgmoneta", () => {
  it("'s client logs in, and is answered in frames", async () => {
    const socket = await daemon.connect();
    await logInAsPgmoneta(socket, "olga", passwords.olga);
    const request = buildRequest("ping", {}, { output: "raw", compression: 0, encryption: 0, now: 0 });
    socket.write(await encodeFrame(encodeDocument(request), { compression: "none", encryption: "none" }, undefined));
    expect(await untilClosed(socket)).toContain('"Status":true');
    await expect(logInAsPgmoneta(await daemon.connect(), "olga", "wrong")).rejects.toThrow("password authentication failed");
  });

  it("'s daemon lets our client in, and not with a wrong password", async () => {
    const request = buildRequest("ping", {}, { output: "raw", compression: 0, encryption: 0, now: 0 });
    const answer = '{"Header":{},"Outcome":{"Status":true},"Request":{},"Response":{}}';
    const server = createPgmonetaServer("admin", "secret", (socket: Socket) => {
      socket.once("data", () => socket.end(Buffer.concat([Buffer.from([0, 0, 0, 0, 0, answer.length]), Buffer.from(answer)])));
      socket.resume();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const ask = (password: string, mode: "prefer" | "require" = "prefer") =>
      sendRequest({ remote: { host: "127.0.0.1", port, user: "admin", password, tls: { mode } } }, request, { compression: "none", encryption: "none" });
    await expect(ask("secret")).resolves.toMatchObject({ outcome: { status: true } });
    await expect(ask("other")).rejects.toMatchObject({ message: expect.stringContaining("connection refused") as string });
    await expect(ask("secret", "require")).rejects.toMatchObject({ code: "REMOTE_CLEAR_TEXT_REFUSED" });
    server.close();
  });
});

describe("a client that", () => {
  it.each([
    ["speaks another protocol", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
    ["speaks TLS at once", Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])],
    ["announces a huge start", Buffer.from([0x7f, 0xff, 0xff, 0xff])],
    ["announces no start", Buffer.from([0, 0, 0, 0])],
    ["asks for a cancellation", Buffer.from([0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2])],
    ["asks for TLS again and again", Buffer.concat(Array.from({ length: 3 }, () => Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])))],
    ["sends a start without an end", Buffer.concat([Buffer.from([0, 0, 0, 15, 0, 3, 0, 0]), Buffer.from("user\0xy")])],
  ])("%s is dropped at once", async (_what, bytes) => {
    const socket = await daemon.connect();
    socket.write(bytes);
    expect(await untilClosed(socket)).toMatch(/^N*$/);
  });

  it.each([
    ["names another database", Buffer.concat([start("alice", "postgres")]), "3D000"],
    ["names no user", Buffer.concat([start("")]), "08P01"],
    ["speaks version 2", start("alice", "admin", 2 << 16), "08P01"],
    ["sends something else than SASL", Buffer.concat([start("alice"), Buffer.from("Q\0\0\0\x08abc\0")]), "08P01"],
    ["announces a huge answer", Buffer.concat([start("alice"), Buffer.from("p\x7f\xff\xff\xff")]), "08P01"],
    ["chooses what was not offered", Buffer.concat([start("alice"), sasl("n,,n=,r=abc", "PLAIN")]), "08P01"],
    ["chooses channel binding in clear", Buffer.concat([start("alice"), sasl("p=tls-server-end-point,,n=,r=abc", "SCRAM-SHA-256-PLUS")]), "08P01"],
    ["wants somebody else's rights", Buffer.concat([start("vera"), sasl("n,a=alice,n=,r=abc")]), "08P01"],
    ["sends no nonce", Buffer.concat([start("alice"), sasl("n,,n=")]), "08P01"],
  ])("%s is told so, and is gone", async (_what, bytes, state) => {
    const socket = await daemon.connect();
    socket.write(bytes);
    expect(await untilClosed(socket)).toContain(`C${state}\0`);
  });

  it("asks for a later protocol is told which one there is, and goes on", async () => {
    const socket = await daemon.connect();
    const said = untilClosed(socket);
    const body = Buffer.from("user\0alice\0database\0admin\0_pq_.wish\0x\0\0");
    const head = Buffer.from([0, 0, 0, 8 + body.length, 0, 3, 0, 2]);
    socket.write(Buffer.concat([head, body]));
    socket.end(sasl("nonsense"));
    expect(await said).toMatch(/^v[^]*_pq_\.wish\0R[^]*SCRAM-SHA-256/);
  });

  it("says nothing, or too little, is dropped in time, and nobody else waits for it", async () => {
    const impatient = await startRemote({ loginTimeoutMs: 400 });
    const silent = await impatient.connect();
    const slow = await impatient.connect();
    slow.write(start("alice").subarray(0, 10));
    const halfway = await impatient.connect();
    halfway.write(start("alice"));
    for (const socket of [silent, slow, halfway]) socket.resume();
    await waitFor("all three are dropped", () => silent.ended && slow.ended && halfway.ended);
    await waitFor("nothing of them is left", () => impatient.remote.connections === 0);
    await impatient.close();
  });

  it("comes with too many connections from one address pushes nobody out", async () => {
    const small = await startRemote({}, { limits: { maxWaiting: 64, maxWaitingPerAddress: 3 } });
    const idle = [await small.connect(), await small.connect(), await small.connect()];
    await waitFor("three are connected", () => small.remote.connections === 3);
    const fourth = await small.connect();
    fourth.resume();
    await waitFor("the fourth is refused", () => fourth.ended);
    expect(idle.map((socket) => socket.ended)).toEqual([false, false, false]);
    await small.close();
  });

  it("sends anything, cut anywhere, is answered by bytes of bounded length or dropped; the daemon goes on", async () => {
    const valid = [start("alice"), sasl("n,,n=,r=abcdefghijklmnopqrstuvwx"), sasl("p=tls-server-end-point,,n=,r=x", "SCRAM-SHA-256-PLUS"), Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]), Buffer.from([0, 0, 0, 8, 4, 210, 22, 48])];
    const piece = fc.oneof(fc.constantFrom(...valid), fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)));
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 6 }), fc.nat(200), async (pieces, cutAt) => {
        const bytes = Buffer.concat(pieces);
        const socket = await daemon.connect();
        const said = untilClosed(socket);
        socket.write(bytes.subarray(0, cutAt));
        socket.end(bytes.subarray(cutAt));
        expect((await said).length).toBeLessThan(2_000);
      }),
      { numRuns: 60 },
    );
    now += 3_600_000;
    expect((await daemon.ask("ping", daemon.address("alice", passwords.alice))).outcome.status).toBe(true);
    await waitFor("every connection is closed", () => daemon.remote.connections === 0);
  });
});

describe("delays after failed logins", () => {
  it("grow to a minute, count an IPv6 network as one, are forgotten, and take bounded memory", () => {
    let at = 0;
    const delays = createLoginDelays({ monotonic: () => at });
    expect(Array.from({ length: 12 }, () => delays.failed("10.0.0.1"))).toEqual([0, 0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000]);
    expect(delays.wait("::ffff:10.0.0.1")).toBe(60_000);
    expect(delays.wait("10.0.0.2")).toBe(0);
    for (const address of ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:0db8::1:f:0:0:1"]) delays.failed(address);
    expect(delays.wait("2001:db8:0:1:ffff::")).toBe(1_000);
    expect(delays.wait("2001:db8:0:2::1")).toBe(0);
    at += 600_001;
    expect(delays.failed("10.0.0.1")).toBe(0);
    for (let count = 0; count < 5_000; count += 1) delays.failed(`10.1.${count >> 8}.${count & 255}`);
    expect(delays.size).toBe(1_024);
  });
});

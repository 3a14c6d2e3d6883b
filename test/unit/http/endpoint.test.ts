/**
 * The listener with real sockets: what it answers, what it refuses, and that its settings can change while it runs; J03 for metrics
 * and health.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { request as httpRequest } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { connect, type Socket } from "node:net";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { createHttpEndpoint, type HttpEndpoint, type HttpSettings } from "../../../src/http/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { createAuthority, type Authority, type Certificate } from "../../support/certificates.ts";
import { freePort } from "../../support/free-port.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";

let authority: Authority;
let certificate: Certificate;
let client: Certificate;
beforeAll(() => {
  authority = createAuthority();
  certificate = authority.issue({ commonName: "localhost", alternativeNames: ["DNS:localhost", "IP:127.0.0.1"] });
  client = authority.issue({ commonName: "prometheus" });
});

let notReady: string[] = [];
let endpoint: HttpEndpoint | undefined;
afterEach(() => {
  endpoint?.close(true);
  notReady = [];
});

const big = Buffer.alloc(300_000, "x");
const content = {
  metrics: async (format: string) => {
    if (format === "openmetrics") throw new Error("nobody can know that");
    return [Buffer.from("a 1\n"), big];
  },
  page: () => Buffer.from("<h1>page</h1>"),
  notReady: () => notReady,
};
async function start(more: Partial<HttpSettings> = {}): Promise<HttpEndpoint & { readonly settings: HttpSettings }> {
  const settings: HttpSettings = { host: "127.0.0.1", port: await freePort(), tls: undefined, requestMs: 60_000, answerMs: 60_000, ...more };
  endpoint = createHttpEndpoint(content, silentLogger);
  await endpoint.update(settings);
  return Object.assign(endpoint, { settings });
}

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers: NodeJS.Dict<string | string[]>;
}
function ask(port: number, path: string, { secure = false, ...more }: RequestOptions & { secure?: boolean } = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path, agent: false, ...more };
    const asked = (secure ? httpsRequest : httpRequest)(options, (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("end", () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, type: headers["content-type"] ?? "", body: Buffer.concat(pieces).toString(), headers });
      });
    });
    asked.on("error", reject);
    asked.end();
  });
}
/** Everything that comes until the other side closes. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let received = "";
    socket.on("data", (piece) => (received += piece.toString()));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(received));
    socket.write(text);
  });
}
const ca = (): Buffer => readFileSync(authority.certFile);

describe("the listener of metrics and health", () => {
  it("answers what there is, and nothing else", async () => {
    const { settings: { port } } = await start();
    expect(await ask(port, "/metrics")).toMatchObject({ status: 200, type: "text/plain; version=0.0.4; charset=utf-8", body: `a 1\n${big.toString()}` });
    expect(await ask(port, "/?x=1")).toMatchObject({ status: 200, type: "text/html; charset=utf-8", body: "<h1>page</h1>" });
    expect(await ask(port, "/healthz")).toMatchObject({ status: 200, body: "ok\n" });
    expect(await ask(port, "/readyz")).toMatchObject({ status: 200, body: "ready\n" });
    notReady = ["the daemon is stopping"];
    expect(await ask(port, "/readyz")).toMatchObject({ status: 503, body: "the daemon is stopping\n" });
    expect(await ask(port, "/metrics", { method: "HEAD" })).toMatchObject({ status: 200, body: "", headers: { "content-length": "300004" } });
    expect(await ask(port, "/metrics", { method: "POST" })).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
    expect(await ask(port, "/../etc/passwd")).toMatchObject({ status: 404 });
    // What cannot be answered is said so, and the next one is answered.
    expect(await ask(port, "/metrics", { headers: { accept: "application/openmetrics-text" } })).toMatchObject({ status: 500 });
    expect(await ask(port, "/healthz")).toMatchObject({ status: 200 });
  });

  it("answers several requests over one connection", async () => {
    const { settings: { port } } = await start();
    const get = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
    const received = await raw(port, `${get}\r\n${get}\r\n${get}Connection: close\r\n\r\n`);
    expect(received.match(/HTTP\/1.1 200/g)).toHaveLength(3);
  });

  it("refuses nonsense, headers without end, and bodies", async () => {
    const { settings: { port } } = await start();
    expect(await raw(port, "\u0016\u0003\u0001 this is no HTTP\r\n\r\n")).toMatch(/^HTTP\/1.1 400/);
    expect(await raw(port, `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431/);
    expect(await raw(port, "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")).toMatch(/^HTTP\/1.1 200.*Connection: close/s);
    expect(endpoint?.refused).toBeGreaterThanOrEqual(2);
  });

  it("disconnects who says nothing, who is slow to say it, and who does not take the answer", async () => {
    const { settings } = await start({ requestMs: 200, answerMs: 200 });
    expect(await raw(settings.port, "")).toBe("");
    expect(await raw(settings.port, "GET / HTTP/1.1\r\nHost: x\r\n")).toBe("");
    const slow = connect(settings.port, "127.0.0.1");
    slow.pause();
    slow.on("error", () => undefined);
    await new Promise((resolve) => slow.once("connect", resolve));
    expect(await connectionsOf(settings.port)).toBeGreaterThan(0);
    // Far more than the buffers of the two sockets hold.
    slow.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100));
    const closed = new Promise((resolve) => slow.on("close", resolve));
    await waitFor("the connection is cut", async () => (await connectionsOf(settings.port)) === 0);
    slow.destroy();
    await closed;
  });

  it("holds so many connections and no more: who waits longest makes room, and the newest is answered", async () => {
    const { settings: { port } } = await start();
    const idle: Socket[] = [];
    let gone = 0;
    for (let index = 0; index < 70; index += 1) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.on("close", () => (gone += 1));
      idle.push(socket);
    }
    await waitFor("the oldest are cut off", () => gone >= 6);
    expect(await ask(port, "/healthz")).toMatchObject({ status: 200 });
    expect(gone).toBeLessThan(70);
    for (const socket of idle) socket.destroy();
  });

  it("speaks TLS and nothing else with a certificate, and asks for one of the clients where an authority is named (J03)", async () => {
    const tls = { certFile: certificate.certFile, keyFile: certificate.keyFile, caFile: undefined };
    const { settings } = await start({ tls });
    const { port } = settings;
    expect(await ask(port, "/healthz", { secure: true, ca: ca(), servername: "localhost" })).toMatchObject({ status: 200 });
    expect(await raw(port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")).not.toContain("HTTP/1.1 2");
    await expect(ask(port, "/healthz", { secure: true, ca: ca(), maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" })).rejects.toThrow();
    await expect(ask(port, "/healthz", { secure: true, ca: readFileSync(createAuthority().certFile), servername: "localhost" })).rejects.toThrow(/certificate/);
    await expect(ask(port, "/healthz", { secure: true, ca: ca(), servername: "elsewhere" })).rejects.toThrow(/altnames/);
    expect(endpoint?.certificateExpires).toBeGreaterThan(Date.now());

    await endpoint?.update({ ...settings, tls: { ...tls, caFile: authority.certFile } });
    await expect(ask(port, "/healthz", { secure: true, ca: ca() })).rejects.toThrow();
    const stranger = createAuthority().issue({ commonName: "prometheus" });
    const as = ({ certFile, keyFile }: Certificate) => ({ cert: readFileSync(certFile), key: readFileSync(keyFile) });
    await expect(ask(port, "/healthz", { secure: true, ca: ca(), ...as(stranger) })).rejects.toThrow();
    expect(await ask(port, "/healthz", { secure: true, ca: ca(), ...as(client) })).toMatchObject({ status: 200 });
    // Whoever's certificate was revoked is a stranger again, and with a list that has run out everybody is.
    const other = authority.issue({ commonName: "prometheus" });
    await endpoint?.update({ ...settings, tls: { ...tls, caFile: authority.certFile, crlFile: authority.revoke([other]) } });
    await expect(ask(port, "/healthz", { secure: true, ca: ca(), ...as(other) })).rejects.toThrow();
    expect(await ask(port, "/healthz", { secure: true, ca: ca(), ...as(client) })).toMatchObject({ status: 200 });
    await endpoint?.update({ ...settings, tls: { ...tls, caFile: authority.certFile, crlFile: authority.revoke([], true) } });
    await expect(ask(port, "/healthz", { secure: true, ca: ca(), ...as(client) })).rejects.toThrow();
  });

  it("cuts off a TLS client that begins no handshake, and one that ends it and asks nothing", async () => {
    const { settings } = await start({ requestMs: 300, tls: { certFile: certificate.certFile, keyFile: certificate.keyFile, caFile: undefined } });
    expect(await raw(settings.port, "")).toBe("");
    await waitFor("nobody is left", async () => (await connectionsOf(settings.port)) === 0);
  });

  it("starts, moves, changes to TLS and back, and stops while it runs", async () => {
    const { settings } = await start({ port: 0 });
    expect(endpoint?.addresses).toEqual([]);
    const [first, second] = [await freePort(), await freePort()];
    await endpoint?.update({ ...settings, port: first });
    expect(await ask(first, "/healthz")).toMatchObject({ status: 200 });
    await endpoint?.update({ ...settings, port: second });
    expect(await ask(second, "/healthz")).toMatchObject({ status: 200 });
    await expect(ask(first, "/healthz")).rejects.toThrow(/ECONNREFUSED/);
    const tls = { certFile: certificate.certFile, keyFile: certificate.keyFile, caFile: undefined };
    await endpoint?.update({ ...settings, port: second, tls });
    expect(await ask(second, "/healthz", { secure: true, ca: ca() })).toMatchObject({ status: 200 });
    await endpoint?.update({ ...settings, port: second });
    expect(await ask(second, "/healthz")).toMatchObject({ status: 200 });
    await endpoint?.update({ ...settings, port: 0 });
    await expect(ask(second, "/healthz")).rejects.toThrow(/ECONNREFUSED/);
  });

  it("goes on as it was when it cannot become what is asked for, and says why", async () => {
    const { settings } = await start({ tls: { certFile: certificate.certFile, keyFile: certificate.keyFile, caFile: undefined } });
    const taken = createHttpEndpoint(content, silentLogger);
    const port = await freePort();
    await taken.update({ ...settings, port, tls: undefined });
    const other = authority.issue({ commonName: "localhost" });
    const directory = temporaryDirectory({ prefix: "mh" }).path;
    const open = join(directory, "open.key");
    writeFileSync(open, readFileSync(certificate.keyFile), { mode: 0o644 });
    const empty = join(directory, "empty.crt");
    writeFileSync(empty, "");
    const files = { certFile: certificate.certFile, keyFile: certificate.keyFile, caFile: undefined };
    for (const [change, code, words] of [
      [{ port }, "METRICS_ADDRESS", `port ${port}`],
      [{ host: "192.0.2.1" }, "METRICS_ADDRESS", "192.0.2.1"],
      [{ host: "no.such.host.invalid" }, "METRICS_ADDRESS", "no.such.host.invalid"],
      [{ tls: { ...files, certFile: "/nonexistent.crt" } }, "TLS_SETTINGS", "/nonexistent.crt"],
      [{ tls: { ...files, keyFile: other.keyFile } }, "TLS_SETTINGS", "cannot be used together"],
      [{ tls: { ...files, keyFile: open } }, "TLS_SETTINGS", "chmod 0600"],
      [{ tls: { ...files, caFile: empty } }, "TLS_SETTINGS", "cannot be used together"],
    ] as const) {
      await expect(endpoint?.update({ ...settings, ...change })).rejects.toMatchObject({ code, message: expect.stringContaining(words) as string });
      expect(await ask(settings.port, "/healthz", { secure: true, ca: ca() })).toMatchObject({ status: 200 });
    }
    // What was made ready and is not wanted after all is let go.
    const unwanted = await freePort();
    const prepared = await endpoint?.prepare({ ...settings, port: unwanted });
    prepared?.abandon();
    await expect(ask(unwanted, "/healthz")).rejects.toThrow(/ECONNREFUSED/);
    taken.close(true);
  });

  it("takes a renewed certificate from the same files, in place of one that has expired (J03, H08)", async () => {
    const directory = temporaryDirectory({ prefix: "mh" }).path;
    const files = { certFile: join(directory, "a.crt"), keyFile: join(directory, "a.key"), caFile: undefined };
    const put = ({ certFile, keyFile }: Certificate): void => {
      writeFileSync(files.certFile, readFileSync(certFile));
      writeFileSync(files.keyFile, readFileSync(keyFile), { mode: 0o600 });
    };
    put(authority.issue({ commonName: "localhost", alternativeNames: ["IP:127.0.0.1"], days: -1 }));
    const { settings } = await start({ tls: files });
    await expect(ask(settings.port, "/healthz", { secure: true, ca: ca() })).rejects.toThrow(/expired/);
    put(certificate);
    await endpoint?.update(settings);
    expect(await ask(settings.port, "/healthz", { secure: true, ca: ca() })).toMatchObject({ status: 200 });
  });
});

/** Connections of the listener as the kernel counts them, ours to it included. */
async function connectionsOf(port: number): Promise<number> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const rows = readFileSync("/proc/net/tcp", "utf8").split("\n");
  return rows.filter((row) => /^\s*\d+: [0-9A-F]{8}:/.test(row) && row.split(/\s+/)[2]?.endsWith(`:${hex}`) === true && row.split(/\s+/)[4] === "01").length;
}

/**
 * The settings with which we connect in TLS, to PostgreSQL and to a daemon: J03 (whom we do not trust) and H08 (the reason is
 * said, and once it is mended the next connection succeeds, with the same settings and without a restart).
 */
import { execFileSync } from "node:child_process";
import { X509Certificate, createHash } from "node:crypto";
import { chmodSync, copyFileSync, readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect, createServer, type TlsOptions } from "node:tls";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { effectiveTlsMode, loadTlsOptions, parseRevocationLists, tlsServerEndPoint, type TlsSettings } from "../../../src/auth/index.ts";
import { createAuthority, type Authority, type Certificate } from "../../support/certificates.ts";
import { requires, tool } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

describe("the TLS mode that holds", () => {
  test("a certificate authority always means that chain and name are verified", () => {
    expect(effectiveTlsMode({ mode: "prefer", caFile: "ca" })).toBe("verify-full");
    expect(effectiveTlsMode({ mode: "require", caFile: "ca" })).toBe("verify-full");
    expect(effectiveTlsMode({ mode: "prefer" })).toBe("prefer");
    expect(effectiveTlsMode({ mode: "require" })).toBe("require");
  });

  test("contradictions are refused", () => {
    for (const settings of [
      { mode: "disable", caFile: "ca" },
      { mode: "verify-full" },
      { mode: "require", certFile: "cert" },
      { mode: "require", keyFile: "key" },
      { mode: "require", crlFile: "crl" },
    ] as const) {
      expect(() => effectiveTlsMode(settings)).toThrow(expect.objectContaining({ code: "TLS_SETTINGS" }));
    }
  });

  test("a file that cannot be read is named, and never ignored", async () => {
    const caFile = join(temporaryDirectory().path, "absent.crt");
    await expect(loadTlsOptions({ mode: "require", caFile }, "localhost")).rejects.toMatchObject({
      code: "TLS_SETTINGS",
      details: { path: caFile },
    });
  });
});

requires("openssl").describe("a server that we connect to", () => {
  let authority: Authority;
  let own: Certificate;
  const names = { commonName: "server", alternativeNames: ["DNS:localhost"] };
  beforeAll(() => {
    authority = createAuthority();
    own = authority.issue(names);
  });
  const servers: ReturnType<typeof createServer>[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** The port of a server with that certificate. */
  async function serve({ certFile, keyFile }: Certificate, more: TlsOptions = {}): Promise<number> {
    const server = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile), ...more }, (socket) => socket.end());
    server.on("tlsClientError", () => undefined);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }
  /** The version of TLS that came about; rejects as the connection does. */
  async function speak(port: number, settings: TlsSettings, options: object = {}): Promise<string | null> {
    const found = { ...(await loadTlsOptions(settings, "localhost")), ...options };
    return new Promise((resolve, reject) => {
      const socket = connect({ ...found, host: "127.0.0.1", port }, () => {
        resolve(socket.getProtocol());
        socket.destroy();
      });
      socket.on("error", reject);
    });
  }
  const trusting = (more: Partial<TlsSettings> = {}): TlsSettings => ({ mode: "verify-full", caFile: authority.certFile, ...more });

  test("is trusted with a certificate of the authority for the name that was configured", async () => {
    expect(await speak(await serve(own), trusting())).toBe("TLSv1.3");
  });

  test.each<[string, () => Certificate, RegExp]>([
    ["of another authority (J03)", () => createAuthority().issue(names), /unable to verify|unable to get local issuer|self-signed/],
    ["for another name (J03)", () => authority.issue({ commonName: "localhost", alternativeNames: ["DNS:elsewhere"] }), /does not match certificate's altnames/],
    ["that has expired (J03, H08)", () => authority.issue({ ...names, days: -1 }), /certificate has expired/],
    ["that is valid only later, or our clock is behind (H08)", () => authority.issue({ ...names, later: true }), /certificate is not yet valid/],
  ])("is not with one %s, says why, and is once it has another", async (_what, issue, reason) => {
    const port = await serve(issue());
    await expect(speak(port, trusting())).rejects.toThrow(reason);
    // Nobody asked who it is.
    await expect(speak(port, { mode: "require" })).resolves.toBe("TLSv1.3");
    servers.at(-1)?.setSecureContext({ cert: readFileSync(own.certFile), key: readFileSync(own.keyFile) });
    await expect(speak(port, trusting())).resolves.toBe("TLSv1.3");
  });

  test("is not once its certificate is revoked, and not with a list that has run out or is another authority's (J03)", async () => {
    const other = authority.issue(names);
    const [port, otherPort] = [await serve(own), await serve(other)];
    const revoked = trusting({ crlFile: authority.revoke([own]) });
    await expect(speak(port, revoked)).rejects.toThrow(/certificate revoked/);
    await expect(speak(otherPort, revoked)).resolves.toBe("TLSv1.3");
    await expect(speak(otherPort, trusting({ crlFile: authority.revoke([], true) }))).rejects.toThrow(/CRL has expired/);
    await expect(speak(otherPort, trusting({ crlFile: createAuthority().revoke([]) }))).rejects.toThrow(/CRL/);
    await expect(loadTlsOptions(trusting({ crlFile: own.keyFile }), "localhost")).rejects.toMatchObject({ code: "TLS_SETTINGS" });
  });

  test("of a rotated authority is trusted once its file is there, without a word to the program (H08)", async () => {
    const next = createAuthority();
    const caFile = join(temporaryDirectory().path, "ca.pem");
    copyFileSync(authority.certFile, caFile);
    const settings = trusting({ caFile });
    const port = await serve(next.issue(names));
    await expect(speak(port, settings)).rejects.toThrow(/unable to verify|unable to get local issuer|self-signed/);
    copyFileSync(next.certFile, caFile);
    await expect(speak(port, settings)).resolves.toBe("TLSv1.3");
  });

  test("that speaks TLS 1.1 at most is not spoken to, in any mode; 1.2 is (J03)", async () => {
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" } as const;
    const port = await serve(own, old);
    // It is there, and speaks it with whoever wants to.
    expect(await speak(port, { mode: "require" }, { secureContext: undefined, ...old })).toBe("TLSv1.1");
    for (const settings of [trusting(), { mode: "require" }, { mode: "prefer" }] as const) await expect(speak(port, settings)).rejects.toThrow(/protocol/);
    expect(await speak(await serve(own, { maxVersion: "TLSv1.2" }), trusting())).toBe("TLSv1.2");
  });
});

requires("openssl").test("a client key that others can read is refused", async () => {
  const { certFile, keyFile } = createAuthority();
  const settings = { mode: "require", certFile, keyFile } as const;
  expect(await loadTlsOptions(settings, "localhost")).toMatchObject({ servername: "localhost", rejectUnauthorized: false });
  expect(await loadTlsOptions(settings, "127.0.0.1")).not.toHaveProperty("servername");
  for (const mode of [0o644, 0o604, 0o660]) {
    chmodSync(keyFile, mode);
    await expect(loadTlsOptions(settings, "localhost")).rejects.toMatchObject({ code: "TLS_SETTINGS", details: { path: keyFile } });
  }
});

requires("openssl").describe("lists of revoked certificates", () => {
  const day = 86_400_000;
  const linesOf = (file: string): string => execFileSync(tool("openssl"), ["crl", "-in", file, "-noout", "-lastupdate", "-nextupdate"], { encoding: "utf8" });

  test("were made, and hold until, when openssl says so; those with revoked certificates, and several in a file, as well", () => {
    const authority = createAuthority({ key: "rsa:2048" });
    const files = [authority.revoke([]), authority.revoke([authority.issue({ commonName: "a" })]), authority.revoke([], true)];
    const all = files.map((file) => {
      const [list] = parseRevocationLists(readFileSync(file, "utf8"));
      const [, made = "", ends = ""] = /lastUpdate=(.*)\nnextUpdate=(.*)\n/.exec(linesOf(file)) ?? [];
      expect([list?.made, list?.ends]).toEqual([Date.parse(made), Date.parse(ends)]);
      return list;
    });
    expect((all[0]?.ends ?? 0) - (all[0]?.made ?? 0)).toBe(2 * day);
    expect(all[2]).toEqual({ made: Date.UTC(2020, 0, 1), ends: Date.UTC(2020, 0, 2) });
    expect(parseRevocationLists(files.map((file) => readFileSync(file, "utf8")).join("\n"))).toEqual(all);
  });

  test("that are damaged, or none, are none", () => {
    const authority = createAuthority();
    const [, body = ""] = /CRL-----([^]*?)-----END/.exec(readFileSync(authority.revoke([]), "utf8")) ?? [];
    const der = Buffer.from(body, "base64");
    const pem = (bytes: Buffer): string => `-----BEGIN X509 CRL-----\n${bytes.toString("base64")}\n-----END X509 CRL-----\n`;
    expect(parseRevocationLists(pem(der))).toHaveLength(1);
    for (let length = 0; length < der.length; length += 1) expect(() => parseRevocationLists(pem(der.subarray(0, length)))).toThrow(expect.objectContaining({ code: "TLS_SETTINGS" }) as Error);
    for (const text of ["", readFileSync(authority.certFile, "utf8"), pem(Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]))]) {
      expect(() => parseRevocationLists(text)).toThrow(expect.objectContaining({ code: "TLS_SETTINGS" }) as Error);
    }
  });
});

requires("openssl").describe("tls-server-end-point", () => {
  test.each([
    ["rsa:2048", "sha256", "sha256"],
    ["rsa:2048", "sha384", "sha384"],
    ["rsa:2048", "sha512", "sha512"],
    // RFC 5929: what SHA-1 has signed is hashed with SHA-256.
    ["rsa:2048", "sha1", "sha256"],
    ["ec", "sha256", "sha256"],
    ["ec", "sha512", "sha512"],
  ])("%s signed with %s is hashed with %s", (key, signature, hash) => {
    const authority = createAuthority({ key, digest: signature });
    const der = new X509Certificate(readFileSync(authority.certFile)).raw;
    expect(tlsServerEndPoint(der)?.toString("hex")).toBe(createHash(hash).update(der).digest("hex"));
  });

  test("a certificate whose signature names no hash cannot be bound to", () => {
    const der = new X509Certificate(readFileSync(createAuthority({ key: "ed25519" }).certFile)).raw;
    expect(tlsServerEndPoint(der)).toBeUndefined();
  });

  test("bytes that are no certificate are no certificate", () => {
    const der = new X509Certificate(readFileSync(createAuthority({}).certFile)).raw;
    expect(tlsServerEndPoint(Buffer.alloc(0))).toBeUndefined();
    for (const length of [1, 2, 4, 20, 100]) expect(tlsServerEndPoint(der.subarray(0, length))).toBeUndefined();
    expect(tlsServerEndPoint(Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]))).toBeUndefined();
  });
});

import { X509Certificate, createHash } from "node:crypto";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { effectiveTlsMode, loadTlsOptions, tlsServerEndPoint } from "../../../src/auth/index.ts";
import { createAuthority } from "../../support/certificates.ts";
import { requires } from "../../support/requires.ts";
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

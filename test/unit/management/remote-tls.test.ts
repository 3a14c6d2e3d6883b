/**
 * TLS of remote management, judged by openssl and by PostgreSQL's own client, and the listener while it is changed: J03, and H08
 * for the client of remote management.
 */
import { spawn } from "node:child_process";
import { chmodSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createAuthority, type Authority, type Certificate } from "../../support/certificates.ts";
import { run } from "../../support/processes.ts";
import { requires, tool } from "../../support/requires.ts";
import { waitFor } from "../../support/wait-for.ts";
import { passwords, startRemote, type RemoteDaemon } from "./remote-harness.ts";

requires("openssl").describe("remote management in TLS", () => {
  let authority: Authority;
  let own: Certificate;
  let daemon: RemoteDaemon;
  beforeAll(async () => {
    authority = createAuthority();
    own = authority.issue({ commonName: "here", alternativeNames: ["DNS:localhost", "IP:127.0.0.1"] });
    daemon = await startRemote({ tls: own, tlsRequired: true });
  });
  afterAll(() => daemon.close());
  const verified = (): { readonly mode: "verify-full"; readonly caFile: string } => ({ mode: "verify-full", caFile: authority.certFile });
  const ask = (tls: object, user: keyof typeof passwords = "alice", host = "localhost") =>
    daemon.ask("ping", daemon.address(user, passwords[user], { host, tls: tls as never }));

  const openssl = async (...args: string[]): Promise<string> => {
    const place = `localhost:${daemon.port()}`;
    const { stdout, stderr } = await run(tool("openssl"), ["s_client", "-starttls", "postgres", "-connect", place, "-servername", "localhost", ...args], { input: "" });
    return stdout + stderr;
  };

  it("logs in with the certificate and the name checked", async () => {
    await expect(ask(verified())).resolves.toMatchObject({ outcome: { status: true } });
    expect(daemon.text()).toMatch(/alice \(admin\) has logged in from .*"tls":"TLSv1.3"/);
    await expect(ask({ mode: "require" })).resolves.toMatchObject({ outcome: { status: true } });
  });

  it("does not speak in clear text, and neither does a client that needs TLS: no downgrade (J03)", async () => {
    await expect(ask({ mode: "disable" })).rejects.toMatchObject({ code: "REMOTE_CLEAR_TEXT_REFUSED", exit: 4 });
    const clear = await startRemote();
    await expect(clear.ask("ping", clear.address("alice", passwords.alice, { tls: { mode: "require" } }))).rejects.toMatchObject({
      code: "REMOTE_CLEAR_TEXT_REFUSED",
    });
    await expect(clear.ask("ping", clear.address("alice", passwords.alice, { tls: { mode: "prefer" } }))).resolves.toMatchObject({
      outcome: { status: true },
    });
    await clear.close();
  });

  it("is refused by our client when authority, name or time are wrong, with the reason, and works again once they are right (J03, H08)", async () => {
    const other = createAuthority();
    await expect(ask({ mode: "verify-full", caFile: other.certFile })).rejects.toMatchObject({
      code: "REMOTE_TLS_FAILED",
      message: expect.stringMatching(new RegExp(`^TLS with localhost:\\d+ failed: .*certificate.*put the authority of its certificate into ${other.certFile}`)) as string,
    });
    for (const [subject, reason] of [
      [{ commonName: "localhost", alternativeNames: ["DNS:elsewhere"] }, /does not match certificate's altnames.* give the daemon a certificate for localhost/],
      [{ commonName: "x", alternativeNames: ["DNS:localhost"], days: -1 }, /certificate has expired; to put it right: the certificate that localhost shows is meant/],
      [{ commonName: "x", alternativeNames: ["DNS:localhost"], later: true }, /certificate is not yet valid; to put it right: set the clock/],
    ] as const) {
      await daemon.remote.update(daemon.settings({ tls: authority.issue(subject) }));
      await expect(ask(verified())).rejects.toMatchObject({ code: "REMOTE_TLS_FAILED", message: expect.stringMatching(reason) as string });
    }
    await expect(ask(verified(), "alice", "nowhere.invalid")).rejects.toMatchObject({ message: expect.stringMatching(/nowhere\.invalid.*(ENOTFOUND|EAI_AGAIN)/) as string });
    expect(daemon.text()).toContain("the certificate of remote management has ended");
    await daemon.remote.update(daemon.settings());
    await expect(ask(verified())).resolves.toMatchObject({ outcome: { status: true } });
  });

  it("speaks TLS 1.3, and 1.2 with what asks for it, and nothing older, says openssl (J03)", async () => {
    const trust = ["-CAfile", authority.certFile, "-verify_return_error"];
    expect(await openssl(...trust)).toMatch(/Protocol *: TLSv1\.3|New, TLSv1\.3[^]*Verify return code: 0/);
    const older = await openssl(...trust, "-tls1_2");
    expect(older).toMatch(/New, TLSv1\.2, Cipher is ECDHE-[^]*Verify return code: 0/);
    for (const version of ["-tls1_1", "-tls1"]) expect(await openssl(version, "-cipher", "ALL:@SECLEVEL=0")).toMatch(/alert protocol version|no protocols available/);
    // No forward secrecy, no authenticated encryption: none of that.
    for (const cipher of ["AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA"]) expect(await openssl("-tls1_2", "-cipher", `${cipher}:@SECLEVEL=0`)).toMatch(/handshake failure/);
    const stranger = createAuthority();
    expect(await openssl("-CAfile", stranger.certFile, "-verify_return_error")).toMatch(/verify error/);
  });

  it("with tls_ca_file lets only those in who show a certificate of that authority", async () => {
    await daemon.remote.update(daemon.settings({ tls: { ...own, caFile: authority.certFile } }));
    await expect(ask(verified())).rejects.toMatchObject({ message: expect.stringContaining("shows no certificate") as string });
    const strange = createAuthority().issue({ commonName: "alice" });
    await expect(ask({ ...verified(), ...strange })).rejects.toMatchObject({ message: expect.stringContaining("not accepted") as string });
    const shown = authority.issue({ commonName: "alice" });
    await expect(ask({ ...verified(), ...shown })).resolves.toMatchObject({ outcome: { status: true } });
    expect(await openssl("-cert", shown.certFile, "-key", shown.keyFile, "-CAfile", authority.certFile)).toContain("Acceptable client certificate CA names");
    await daemon.remote.update(daemon.settings());
  });

  it("with tls_crl_file lets nobody in whose certificate was revoked, and nobody at all once the list has run out (J03)", async () => {
    const [good, revoked] = [authority.issue({ commonName: "alice" }), authority.issue({ commonName: "alice" })];
    const listen = (crlFile: string): Promise<unknown> => daemon.remote.update(daemon.settings({ tls: { ...own, caFile: authority.certFile, crlFile } }));
    await listen(authority.revoke([]));
    await expect(ask({ ...verified(), ...revoked })).resolves.toMatchObject({ outcome: { status: true } });
    await listen(authority.revoke([revoked]));
    await expect(ask({ ...verified(), ...good })).resolves.toMatchObject({ outcome: { status: true } });
    await expect(ask({ ...verified(), ...revoked })).rejects.toMatchObject({ message: expect.stringMatching(/CERT_REVOKED/) as string });
    await listen(authority.revoke([], true));
    await expect(ask({ ...verified(), ...good })).rejects.toMatchObject({ message: expect.stringMatching(/CRL_HAS_EXPIRED/) as string });
    // One of another authority says nothing of ours.
    await listen(createAuthority().revoke([]));
    await expect(ask({ ...verified(), ...good })).rejects.toMatchObject({ message: expect.stringMatching(/CRL/) as string });
    // What is no list is refused as a whole, and the one before holds on.
    await expect(listen(own.certFile)).rejects.toMatchObject({ code: "TLS_SETTINGS" });
    await daemon.remote.update(daemon.settings());
  });

  it("drops who asks for TLS and says nothing then, and who says nothing in it", async () => {
    const impatient = await startRemote({ tls: own, tlsRequired: true, loginTimeoutMs: 400 });
    const [silent, secured] = [await impatient.connect(), await impatient.connect()];
    for (const socket of [silent, secured]) {
      socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
      await new Promise((resolve) => socket.once("data", resolve));
    }
    const inside = connectTls({ socket: secured, rejectUnauthorized: false });
    await new Promise((resolve, reject) => inside.once("secureConnect", resolve).once("error", reject));
    let gone = false;
    for (const event of ["end", "close"]) inside.once(event, () => (gone = true));
    for (const socket of [silent, inside]) socket.on("error", () => undefined).resume();
    await waitFor("both are dropped", () => silent.ended && gone);
    await waitFor("nothing of them is left", () => impatient.remote.connections === 0);
    await impatient.close();
  });

  it("drops clear text that follows the request for TLS", async () => {
    const socket = await daemon.connect();
    socket.write(Buffer.concat([Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]), Buffer.from("\0\0\0\x21\0\x03\0\0user\0alice\0")]));
    socket.resume();
    await waitFor("it is dropped", () => socket.ended);
  });

  it("moves to another port, keeps what is open, and stays where it was when it cannot", async () => {
    const before = daemon.port();
    const open = await daemon.connect();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    await expect(daemon.remote.update(daemon.settings({ host: "127.0.0.1", port }))).rejects.toMatchObject({ code: "MANAGEMENT_PORT_UNUSABLE", exit: 12 });
    await expect(daemon.remote.update(daemon.settings({ tls: { ...own, certFile: "/not/there" } }))).rejects.toMatchObject({ code: "TLS_SETTINGS" });
    const alien = createAuthority();
    await expect(daemon.remote.update(daemon.settings({ tls: { ...own, keyFile: alien.keyFile } }))).rejects.toMatchObject({ code: "TLS_SETTINGS" });
    chmodSync(alien.keyFile, 0o644);
    await expect(daemon.remote.update(daemon.settings({ tls: alien }))).rejects.toMatchObject({ code: "TLS_SETTINGS" });
    expect(daemon.port()).toBe(before);
    await expect(ask(verified())).resolves.toMatchObject({ outcome: { status: true } });
    await new Promise((resolve) => taken.close(resolve));
    // Its own port at another address: the old place has to be left first.
    await daemon.remote.update(daemon.settings({ host: "127.0.0.1", port }));
    await daemon.remote.update(daemon.settings({ host: "*", port }));
    expect(daemon.port()).toBe(port);
    await expect(ask(verified())).resolves.toMatchObject({ outcome: { status: true } });
    expect(open.ended).toBe(false);
    const day = 86_400_000;
    expect(((daemon.remote.certificateExpires ?? 0) - Date.now()) / day).toBeCloseTo(2, 1);
    await daemon.remote.update(undefined);
    expect([daemon.remote.addresses, daemon.remote.certificateExpires]).toEqual([[], undefined]);
    await expect(ask(verified())).rejects.toMatchObject({ code: expect.stringMatching(/DAEMON_UNREACHABLE/) as string });
    await daemon.remote.update(daemon.settings());
    await expect(ask(verified())).resolves.toMatchObject({ outcome: { status: true } });
  });

  requires("psql").it("PostgreSQL's own client proves its password bound to the channel, and hears of a wrong one", async () => {
    const connect = (user: string, password: string, more = "") => {
      const place = `host=localhost port=${daemon.port()} user=${user} dbname=admin sslmode=verify-full sslrootcert=${authority.certFile} gssencmode=disable ${more}`;
      return spawn(tool("psql"), [place], { env: { PATH: process.env["PATH"], HOME: "/nonexistent", PGPASSWORD: password, LC_ALL: "C" }, stdio: ["ignore", "ignore", "pipe"] });
    };
    const known = connect("olga", passwords.olga, "channel_binding=require");
    // What it waits for then is PostgreSQL; it has checked our signature before.
    await waitFor("olga has logged in", () => daemon.text().includes("olga (operator) has logged in"));
    known.kill();
    const wrong = connect("olga", "wrong");
    let said = "";
    wrong.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    const status = await new Promise((resolve) => wrong.once("exit", resolve));
    expect(status).not.toBe(0);
    await waitFor("it has said so", () => said.includes('password authentication failed for user "olga"'));
  });
});

/** Every target of notifications against a real server or program. */
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { createTargets, type MailSettings, type Notification, type Target, type TargetSettings } from "../../../src/notify/index.ts";
import { createAuthority, type Authority } from "../../support/certificates.ts";
import { createMailServer } from "../../support/mail-server.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { createWebServer } from "../../support/web-server.ts";

const notification: Notification = {
  id: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
  kind: "firing",
  server: "primary",
  code: "BACKUP_OVERDUE",
  category: "too_old",
  message: "the newest <valid> backup & its WAL are 2 d old",
  hint: "Take a backup.",
  since: Date.UTC(2026, 10, 20, 8),
  at: Date.UTC(2026, 10, 20, 9),
};

const directory = temporaryDirectory({ prefix: "mnotify" }).path;
let authority: Authority;
beforeAll(() => {
  authority = createAuthority();
});

function target(settings: Partial<TargetSettings>): Target {
  const [only] = createTargets({ version: "0.1.0", environment: { PATH: process.env["PATH"] ?? "" }, timeLimitMs: 60_000, ...settings });
  if (only === undefined) throw new Error("there is no target");
  return only;
}

describe("a webhook", () => {
  it("gets the generic form with its token", async () => {
    const server = await createWebServer();
    await target({ webhook: new URL(`${server.url}/hook`), webhookToken: "the token" }).send(notification);
    expect(server.received).toMatchObject([
      {
        path: "/hook",
        headers: { authorization: "Bearer the token", "content-type": "application/json", "user-agent": "moneta/0.1.0" },
        body: { source: "moneta", status: "firing", server: "primary", code: "BACKUP_OVERDUE", category: "too_old", since: "2026-11-20T08:00:00.000Z", id: notification.id },
      },
    ]);
    await server.close();
  });

  it("in Slack's form has its three characters escaped", async () => {
    const server = await createWebServer();
    await target({ slack: new URL(server.url) }).send(notification);
    expect(server.received[0]?.body).toEqual({ text: "*FIRING* primary: `BACKUP_OVERDUE` the newest &lt;valid&gt; backup &amp; its WAL are 2 d old\n_Take a backup._" });
    await server.close();
  });

  it("in Alertmanager's form is an alert that ends by itself, and one that has ended", async () => {
    const server = await createWebServer();
    const alertmanager = target({ alertmanager: new URL(`${server.url}/prefix/`) });
    await alertmanager.send(notification);
    await alertmanager.send({ ...notification, kind: "recovered" });
    await alertmanager.refresh?.send([notification]);
    expect(server.received.map(({ path }) => path)).toEqual(Array(3).fill("/prefix/api/v2/alerts"));
    const labels = { alertname: "BACKUP_OVERDUE", source: "moneta", category: "too_old", server: "primary" };
    expect(server.received[0]?.body).toEqual([
      { labels, annotations: { summary: notification.message, description: "Take a backup." }, startsAt: "2026-11-20T08:00:00.000Z", endsAt: "2026-11-20T09:04:00.000Z" },
    ]);
    expect(server.received[1]?.body).toMatchObject([{ labels, endsAt: "2026-11-20T09:00:00.000Z" }]);
    await server.close();
  });

  it.each([404, 500, 302])("that answers %s has not taken it, and the message does not have its path", async (status) => {
    const server = await createWebServer();
    server.answer = status;
    const sent = target({ webhook: new URL(`${server.url}/secret-path`) }).send(notification);
    await expect(sent).rejects.toMatchObject({ code: "NOTIFY_REFUSED", message: `the webhook at localhost:${server.port} answered with status ${status}` });
    await server.close();
  });

  it("that says nothing is given up at the limit", async () => {
    const server = await createWebServer();
    server.answer = "silence";
    await expect(target({ webhook: new URL(server.url), timeLimitMs: 300 }).send(notification)).rejects.toMatchObject({ code: "NOTIFY_UNREACHABLE", message: expect.stringContaining("no answer within 0.3 s") as string });
    await server.close();
  });

  it("over TLS is trusted only with its authority, whose file may be replaced meanwhile (H08)", async () => {
    const server = await createWebServer(authority.issue({ commonName: "localhost", alternativeNames: ["DNS:localhost"] }));
    const caFile = join(directory, "ca.pem");
    await writeFile(caFile, await readFile(createAuthority().certFile));
    const webhook = target({ webhook: new URL(server.url), caFile });
    await expect(webhook.send(notification)).rejects.toMatchObject({ code: "NOTIFY_UNREACHABLE", message: expect.stringMatching(/certificate/) as string });
    await writeFile(caFile, await readFile(authority.certFile));
    await webhook.send(notification);
    expect(server.received).toHaveLength(1);
    await server.close();
  });

  it("whose certificate was revoked gets nothing (notify_crl_file), nor does one whose authority has no list that holds, until the file is right again (J03, H08)", async () => {
    const issue = () => authority.issue({ commonName: "localhost", alternativeNames: ["DNS:localhost"] });
    const [good, revoked] = [issue(), issue()];
    const [server, stolen] = [await createWebServer(good), await createWebServer(revoked)];
    const crlFile = join(directory, "lists.pem");
    const list = async (from: string): Promise<void> => writeFile(crlFile, await readFile(from));
    const trusting = { caFile: authority.certFile, crlFile };
    for (const kind of ["webhook", "slack", "alertmanager"] as const) {
      await list(authority.revoke([revoked]));
      await target({ ...trusting, [kind]: new URL(server.url) }).send(notification);
      await expect(target({ ...trusting, [kind]: new URL(stolen.url) }).send(notification)).rejects.toThrow(/localhost:\d+ cannot be reached: certificate revoked/);
      await list(authority.revoke([], true));
      await expect(target({ ...trusting, [kind]: new URL(server.url) }).send(notification)).rejects.toThrow(/CRL has expired/);
      await list(createAuthority().revoke([]));
      await expect(target({ ...trusting, [kind]: new URL(server.url) }).send(notification)).rejects.toThrow(/CRL/);
    }
    expect([server.received.length, stolen.received.length]).toEqual([3, 0]);
    // What is no list, or is not there, is named, and nothing is sent as if there were none.
    for (const wrong of [authority.certFile, join(directory, "nowhere.pem")]) {
      await expect(target({ caFile: authority.certFile, crlFile: wrong, webhook: new URL(server.url) }).send(notification)).rejects.toMatchObject({ code: "NOTIFY_UNREACHABLE", message: expect.stringContaining(`"${wrong}" cannot be used`) as string });
    }
    expect(server.received).toHaveLength(3);
    await Promise.all([server.close(), stolen.close()]);
  });

  it("whose certificate has expired or is valid only later, and whose name nobody knows, are named (H08)", async () => {
    const server = await createWebServer(authority.issue({ commonName: "localhost", alternativeNames: ["DNS:localhost"], days: -1 }));
    await expect(target({ webhook: new URL(server.url), caFile: authority.certFile }).send(notification)).rejects.toThrow(/certificate has expired/);
    const later = await createWebServer(authority.issue({ commonName: "localhost", alternativeNames: ["DNS:localhost"], later: true }));
    await expect(target({ webhook: new URL(later.url), caFile: authority.certFile }).send(notification)).rejects.toThrow(/certificate is not yet valid/);
    await later.close();
    await expect(target({ webhook: new URL("http://nowhere.invalid/") }).send(notification)).rejects.toThrow(/nowhere\.invalid cannot be reached: .*(ENOTFOUND|EAI_AGAIN)/);
    await server.close();
  });
});

describe("e-mail", () => {
  const mail = (port: number, more: Partial<MailSettings> = {}): Partial<TargetSettings> => ({
    mail: { to: ["dba@example.org", "oncall@example.org"], from: "moneta@example.org", host: "localhost", port, tls: "starttls", caFile: authority.certFile, timeLimitMs: 60_000, ...more },
  });
  const certificate = () => authority.issue({ commonName: "localhost", alternativeNames: ["DNS:localhost"] });

  it("goes out by STARTTLS with a login, to all addresses", async () => {
    const server = await createMailServer({ certificate: certificate(), user: "moneta", password: "the password" });
    await target(mail(server.port, { user: "moneta", password: "the password" })).send({ ...notification, message: "first\r\nBcc: x@example.org" });
    expect(server.mails).toMatchObject([{ from: "moneta@example.org", to: ["dba@example.org", "oncall@example.org"], user: "moneta", secured: true }]);
    const text = server.mails[0]?.text ?? "";
    expect(text).toMatch(/^Subject: \[Moneta\] primary: BACKUP_OVERDUE$/m);
    expect(text).toContain(`Message-ID: <${notification.id}@moneta>`);
    expect(text).toContain("Take a backup.");
    // What a message says is text of the mail, not of its head.
    expect(text.split(/\r?\n\r?\n/)[0]).not.toContain("Bcc");
    await server.close();
  });

  it("with a wrong password is refused, and the password is in no message", async () => {
    const server = await createMailServer({ certificate: certificate(), user: "moneta", password: "the password" });
    const sent = target(mail(server.port, { user: "moneta", password: "another one" })).send(notification);
    await expect(sent).rejects.toMatchObject({ code: "NOTIFY_REFUSED", message: expect.not.stringContaining("another one") as string });
    await server.close();
  });

  it("is not sent in clear text when the server has no STARTTLS", async () => {
    const server = await createMailServer({ certificate: certificate(), noTls: true });
    await expect(target(mail(server.port)).send(notification)).rejects.toThrow(/STARTTLS|TLS/);
    expect(server.mails).toEqual([]);
    await target(mail(server.port, { tls: "none" })).send(notification);
    expect(server.mails).toMatchObject([{ secured: false }]);
    await server.close();
  });

  it("to a server whose certificate nobody vouches for is not sent", async () => {
    const server = await createMailServer({ certificate: createAuthority().issue({ commonName: "localhost", alternativeNames: ["DNS:localhost"] }) });
    await expect(target(mail(server.port)).send(notification)).rejects.toMatchObject({ code: "NOTIFY_UNREACHABLE", message: expect.stringMatching(/certificate/) as string });
    expect(server.mails).toEqual([]);
    await server.close();
  });

  it("to a server whose certificate was revoked is not sent, by STARTTLS or by TLS from the first byte (notify_crl_file)", async () => {
    const [own, other] = [certificate(), certificate()];
    for (const tls of ["starttls", "tls"] as const) {
      const server = await createMailServer({ certificate: own, ...(tls === "tls" ? { secure: true } : {}) });
      await target(mail(server.port, { tls, crlFile: authority.revoke([other]) })).send(notification);
      const sent = target(mail(server.port, { tls, crlFile: authority.revoke([own]) })).send(notification);
      await expect(sent).rejects.toMatchObject({ code: "NOTIFY_UNREACHABLE", message: expect.stringMatching(/certificate revoked/) as string });
      expect(server.mails).toHaveLength(1);
      await server.close();
    }
  });

  it("of which one address is refused is not taken", async () => {
    const server = await createMailServer({ certificate: certificate(), refused: ["oncall@example.org"] });
    await expect(target(mail(server.port)).send(notification)).rejects.toMatchObject({ code: "NOTIFY_REFUSED", message: expect.stringContaining("refuses 1 of 2 addresses") as string });
    await server.close();
  });
});

describe("a program", () => {
  const script = async (name: string, text: string): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, `#!/bin/sh\n${text}\n`);
    await chmod(path, 0o755);
    return path;
  };

  it("gets the notification in its environment and on standard input", async () => {
    await target({ command: await script("take", `cat > ${directory}/input; env | grep MONETA_ | sort > ${directory}/environment`) }).send(notification);
    expect(JSON.parse(await readFile(join(directory, "input"), "utf8"))).toMatchObject({ code: "BACKUP_OVERDUE", status: "firing" });
    expect(await readFile(join(directory, "environment"), "utf8")).toMatch(/MONETA_CODE=BACKUP_OVERDUE\n(.*\n)*MONETA_STATUS=firing\n/);
  });

  it("that fails, or is not there, has not taken it", async () => {
    await expect(target({ command: await script("refuse", "echo no modem; exit 1") }).send(notification)).rejects.toMatchObject({ code: "NOTIFY_PROGRAM", message: expect.stringContaining("ended with exit status 1, saying: no modem") as string });
    await expect(target({ command: join(directory, "missing") }).send(notification)).rejects.toMatchObject({ code: "NOTIFY_PROGRAM" });
  });
});

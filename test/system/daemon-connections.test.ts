/**
 * The connections of the daemon are those that its configuration describes, for the stream and for a backup: TLS with
 * both sides proven, and the password of a login that the users file does not have. H08: what makes them impossible is named, and
 * they come back by themselves once it is mended.
 */
import { appendFileSync, chmodSync, copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAuthority, type Authority, type Certificate } from "../support/certificates.ts";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { namesFromFiles, needsForOwnHosts, onlyHostsOf } from "../support/own-hosts.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { requires } from "../support/requires.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, receiverPid, serverStatus } from "./daemon-observation.ts";

async function waitForProblem(daemon: Daemon, server: string, code: string): Promise<string> {
  let problems = "";
  await waitFor(
    `${server} has the problem ${code}`,
    async () => {
      problems = JSON.stringify((await serverStatus(daemon, server))["Problems"]);
      return problems.includes(`"${code}"`);
    },
    { seen: () => problems, everyMs: 100 },
  );
  return problems;
}

requires("openssl").describe("with tls_ca_file, tls_cert_file and tls_key_file", () => {
  const ownHosts = needsForOwnHosts();
  const named = "db1.moneta.invalid";
  let cluster: Cluster;
  let daemon: Daemon;
  let authority: Authority;
  let metricsPort = 0;
  /** Files that the daemon and PostgreSQL read, which a test makes bad and good again in their places. */
  let place: string;
  const at = (name: string): string => join(place, name);
  const put = (name: string, from: string): void => copyFileSync(from, at(name));
  let own: Certificate;
  let shown: Certificate;
  /** Of revoked certificates: none is. */
  let list: string;

  beforeAll(async () => {
    place = temporaryDirectory({ prefix: "mconn", unprivileged: true }).path;
    authority = createAuthority();
    own = authority.issue({ commonName: "shown", alternativeNames: ["DNS:localhost", `DNS:${named}`] });
    shown = authority.issue({ commonName: "shown" });
    list = authority.revoke([]);
    for (const [name, from] of [["ca.crt", authority.certFile], ["ca.crl", list], ["own.crt", own.certFile], ["own.key", own.keyFile], ["shown.crt", shown.certFile], ["shown.key", shown.keyFile]] as const) put(name, from);
    writeFileSync(at("hosts"), "127.0.0.1 localhost\n");
    writeFileSync(at("nsswitch.conf"), namesFromFiles);
    giveToUnprivileged(place);
    cluster = await createCluster({
      settings: { ssl: true, ssl_cert_file: at("own.crt"), ssl_key_file: at("own.key"), ssl_ca_file: authority.certFile },
      hba: [
        "hostssl replication shown all cert",
        "hostssl all shown all cert",
        "hostssl replication all all scram-sha-256",
      ],
    });
    metricsPort = await freePort();
    const ca = { tls_ca_file: at("ca.crt") };
    const both = { ...ca, tls_cert_file: at("shown.crt"), tls_key_file: at("shown.key") };
    daemon = await createDaemon({
      servers: [
        { name: "proven", cluster, host: "localhost", user: "shown", settings: { ...both, tls_crl_file: at("ca.crl") } },
        { name: "elsewhere", cluster, host: "127.0.0.1", user: "shown", settings: both },
        { name: "unproven", cluster, host: "localhost", user: "shown", settings: ca },
        { name: "named", cluster, host: named, user: "shown", settings: both },
      ],
      settings: { metrics: metricsPort },
      ...(ownHosts.length === 0 ? { launcher: () => onlyHostsOf(at("hosts"), at("nsswitch.conf")) } : {}),
    });
  });
  afterAll(async () => {
    await daemon.destroy();
    await cluster.destroy();
  });

  it("stream and backup go through TLS, the certificate shown in place of a password", async () => {
    await daemon.waitUntilStreaming("proven");
    const seen =
      "SELECT application_name, ssl, client_dn FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) ORDER BY 1";
    expect(await cluster.sql(seen)).toEqual([["moneta_proven", "t", "/CN=shown"]]);
    expect(await ask(daemon, "backup", "proven")).toMatchObject({ Valid: 1 });
  });

  it("a server whose certificate is made out for another name is not spoken to, and said to be", async () => {
    expect(await waitForProblem(daemon, "elsewhere", "TLS_FAILED")).toContain("give PostgreSQL a certificate for 127.0.0.1");
  });

  it("without a certificate to show the server refuses, in its own words", async () => {
    await waitFor("the refusal is seen", async () =>
      /client certificate/.test(JSON.stringify((await serverStatus(daemon, "unproven"))["Problems"])),
    );
  });

  /** Who streams, in the words of PostgreSQL. */
  const streams = async (server: string): Promise<boolean> =>
    (await cluster.value(`SELECT count(*) FROM pg_stat_replication WHERE application_name = 'moneta_${server}' AND state = 'streaming'`)) === "1";
  const metric = async (sample: string): Promise<number> => {
    const text = await (await fetch(`http://localhost:${metricsPort}/metrics`)).text();
    return Number(text.split("\n").find((line) => line.startsWith(`${sample} `))?.slice(sample.length + 1) ?? Number.NaN);
  };

  /** Status, check and metrics show what is wrong in words that `expected` knows. */
  async function expectSeen(server: string, expected: RegExp): Promise<void> {
    expect(JSON.stringify((await serverStatus(daemon, server))["Problems"])).toMatch(expected);
    const { json, status, stderr } = await daemon.cli(["check", server], { format: "raw" });
    const checks = (json?.Response["Checks"] ?? []) as { readonly Code: string; readonly Status: string; readonly Message: string }[];
    expect([status, checks.find(({ Code }) => Code === "CONNECTION")], stderr).toEqual([2, expect.objectContaining({ Status: "critical", Message: expect.stringMatching(expected) as string })]);
    expect(await metric(`moneta_receiver_connected{name="${server}"}`)).toBe(0);
    expect(await metric(`moneta_server_problems{name="${server}"}`)).toBeGreaterThan(0);
  }

  /** It receives again, in the same process of the same daemon. Whoever asks for its status ends its wait; `alone` asks PostgreSQL. */
  async function expectRecovered(server: string, receiver: number, alone: boolean): Promise<void> {
    if (alone) await waitFor(`${server} streams again`, () => streams(server), { everyMs: 100, seen: () => daemon.log().slice(-2000) });
    await daemon.waitUntilStreaming(server);
    expect([(await serverStatus(daemon, server))["Problems"], await receiverPid(daemon, server)]).toEqual([{}, receiver]);
    expect(await metric(`moneta_receiver_connected{name="${server}"}`)).toBe(1);
  }

  const reloadPostgres = (): Promise<unknown> => cluster.sql("SELECT pg_reload_conf()");
  const pair = (name: string, { certFile, keyFile }: Certificate): void => {
    put(`${name}.crt`, certFile);
    put(`${name}.key`, keyFile);
  };
  const ended = (commonName: string): Certificate => authority.issue({ commonName, alternativeNames: ["DNS:localhost"], days: -1 });

  it.each<[string, () => unknown, RegExp, () => unknown]>([
    [
      "the certificate of the server has expired",
      () => (pair("own", ended("shown")), reloadPostgres()),
      /TLS with localhost port \d+ failed: certificate has expired; to put it right: the certificate that localhost shows is meant: give PostgreSQL a new one/,
      () => (pair("own", own), reloadPostgres()),
    ],
    [
      "the authority was changed and its file was not",
      () => put("ca.crt", createAuthority().certFile),
      /TLS with localhost port \d+ failed: .*; to put it right: .*(put the authority of its certificate into|see that) \S+\/ca\.crt/,
      () => put("ca.crt", authority.certFile),
    ],
    [
      "the list of revoked certificates has run out",
      () => put("ca.crl", authority.revoke([], true)),
      /TLS with localhost port \d+ failed: CRL has expired; to put it right: put lists that hold today, one of each authority of localhost, into \S+\/ca\.crl/,
      () => put("ca.crl", list),
    ],
    [
      "the certificate that we show has expired",
      () => pair("shown", ended("shown")),
      /\S+\/shown\.crt expired on \d{4}-\d\d-\d\d: put a new one into that file/,
      () => pair("shown", shown),
    ],
    [
      "a file of certificates is damaged",
      () => writeFileSync(at("ca.crt"), "-----BEGIN CERTIFICATE-----\nnot one\n"),
      /TLS files \S+\/ca\.crt\S* .* cannot be used together/,
      () => put("ca.crt", authority.certFile),
    ],
  ])("when %s it says so, with file or host and what to do, and goes on once that is mended, without a restart (H08)", async (what, spoil, expected, mend) => {
    await daemon.waitUntilStreaming("proven");
    const receiver = await receiverPid(daemon, "proven");
    const before = daemon.log().length;
    await spoil();
    try {
      // The connection that is there goes on; PostgreSQL may need an instant to read its new files.
      await waitFor("the next one is refused", async () => {
        await cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE application_name = 'moneta_proven'");
        return daemon.log().slice(before).split("\n").some((line) => line.includes("proven") && expected.test(line));
      }, { everyMs: 200, seen: () => daemon.log().slice(before) });
      await expectSeen("proven", expected);
      expect((await daemon.cli(["backup", "proven"], { format: "raw" })).json?.Outcome).toMatchObject({ Status: false, Message: expect.stringMatching(expected) as string });
    } finally {
      await mend();
    }
    await expectRecovered("proven", receiver, what.startsWith("the certificate of the server"));
  });

  requires("unshare", ...ownHosts).it("a name that no name server knows is said to be that, and found as soon as it is known (H08)", async () => {
    await waitForProblem(daemon, "named", "SERVER_NAME_UNRESOLVED");
    const receiver = await receiverPid(daemon, "named");
    await expectSeen("named", /the host name db1\.moneta\.invalid cannot be resolved: .*(ENOTFOUND|EAI_AGAIN)/);
    expect(JSON.stringify((await serverStatus(daemon, "named"))["Problems"])).toContain("getent hosts");
    expect(await metric('moneta_errors_total{code="SERVER_NAME_UNRESOLVED"}')).toBeGreaterThan(0);
    appendFileSync(at("hosts"), `127.0.0.1 ${named}\n`);
    await expectRecovered("named", receiver, true);
  });
});

describe("of a login that the users file does not have", () => {
  let cluster: Cluster;
  let daemon: Daemon;
  beforeAll(async () => {
    cluster = await createCluster({
      hba: ["local all postgres trust", "local replication all scram-sha-256", "local all all scram-sha-256"],
    });
    daemon = await createDaemon({
      servers: [{ name: "primary", cluster, password: "of the pass file" }],
      start: false,
    });
    const removed = await daemon.admin([
      "-f",
      join(daemon.configDir, "pgmoneta_users.conf"),
      "-U",
      "moneta",
      "user",
      "del",
    ]);
    expect(removed.status).toBe(0);
    await daemon.start();
  });
  afterAll(async () => {
    await daemon.destroy();
    await cluster.destroy();
  });

  it("the password comes from ~/.pgpass, as soon as it is there and nobody else can read it", async () => {
    const passFile = join(daemon.home, ".pgpass");
    await waitForProblem(daemon, "primary", "AUTH_PASSWORD_MISSING");
    writeFileSync(passFile, `*:${cluster.port}:*:moneta:of the pass file\n`, { mode: 0o644 });
    giveToUnprivileged(passFile);
    expect(await waitForProblem(daemon, "primary", "PASS_FILE_REFUSED")).toContain(passFile);
    chmodSync(passFile, 0o600);
    await daemon.waitUntilStreaming("primary");
    expect((await serverStatus(daemon, "primary"))["Problems"]).toEqual({});
    expect(await ask(daemon, "backup", "primary")).toMatchObject({ Valid: 1 });
  });
});

/**
 * The connections of the daemon are those that its configuration describes, for the stream and for a backup: TLS with
 * both sides proven, and the password of a login that the users file does not have.
 */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAuthority, type Certificate } from "../support/certificates.ts";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { requires } from "../support/requires.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, serverStatus } from "./daemon-observation.ts";

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
  let cluster: Cluster;
  let daemon: Daemon;
  beforeAll(async () => {
    const authority = createAuthority();
    const own = authority.issue({ commonName: "shown", alternativeNames: ["DNS:localhost"] });
    const shown = authority.issue({ commonName: "shown" });
    for (const { keyFile } of [own, shown]) giveToUnprivileged(keyFile);
    cluster = await createCluster({
      settings: { ssl: true, ssl_cert_file: own.certFile, ssl_key_file: own.keyFile, ssl_ca_file: authority.certFile },
      hba: [
        "hostssl replication shown all cert",
        "hostssl all shown all cert",
        "hostssl replication all all scram-sha-256",
      ],
    });
    const tls = (certificate?: Certificate) => ({
      tls_ca_file: authority.certFile,
      ...(certificate === undefined ? {} : { tls_cert_file: certificate.certFile, tls_key_file: certificate.keyFile }),
    });
    daemon = await createDaemon({
      servers: [
        { name: "proven", cluster, host: "localhost", user: "shown", settings: tls(shown) },
        { name: "elsewhere", cluster, host: "127.0.0.1", user: "shown", settings: tls(shown) },
        { name: "unproven", cluster, host: "localhost", user: "shown", settings: tls() },
      ],
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
    expect(await waitForProblem(daemon, "elsewhere", "TLS_FAILED")).toContain("127.0.0.1");
  });

  it("without a certificate to show the server refuses, in its own words", async () => {
    await waitFor("the refusal is seen", async () =>
      /client certificate/.test(JSON.stringify((await serverStatus(daemon, "unproven"))["Problems"])),
    );
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

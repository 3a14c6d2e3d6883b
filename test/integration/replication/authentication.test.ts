import { beforeAll, describe, expect, test } from "vitest";
import { connect, identifySystem } from "../../../src/replication/index.ts";
import type { ConnectOptions, Connection } from "../../../src/replication/index.ts";
import { createAuthority } from "../../support/certificates.ts";
import type { Authority, Certificate } from "../../support/certificates.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { requires } from "../../support/requires.ts";
import { giveToUnprivileged } from "../../support/unprivileged-user.ts";
import { connectOptions } from "./real.ts";

const code = (expected: string): object => expect.objectContaining({ code: expected }) as object;

async function use(options: ConnectOptions, look: (connection: Connection) => unknown): Promise<void> {
  const connection = await connect(options);
  try {
    expect((await identifySystem(connection)).systemIdentifier).toMatch(/^[0-9]+$/);
    await look(connection);
  } finally {
    await connection.terminate();
  }
}

const rules = (roles: string): string[] =>
  ["all", "replication"].flatMap((database) =>
    roles.split(" ").map((role) => `host ${database} ${role} 127.0.0.1/32 ${{ md: "md5", clear: "password" }[role] ?? "scram-sha-256"}`),
  );

requires("postgres-15").describe("passwords on PostgreSQL 15", () => {
  let cluster: Cluster;
  const as = (user: string, password: string | undefined): ConnectOptions =>
    connectOptions(cluster, { host: "127.0.0.1", user, password: async () => password });

  beforeAll(async () => {
    cluster = await createCluster({ hba: rules("scram unicode md clear nologin") });
    await cluster.sql("CREATE ROLE scram LOGIN REPLICATION PASSWORD 'it''s \\ secret'");
    await cluster.sql("CREATE ROLE unicode LOGIN REPLICATION PASSWORD U&'\\0063af\\00e9 \\2168'");
    await cluster.sql("CREATE ROLE clear LOGIN REPLICATION PASSWORD 'pässword'");
    await cluster.sql("CREATE ROLE weak LOGIN PASSWORD 'x'");
    await cluster.sql("CREATE ROLE nologin REPLICATION PASSWORD 'x'");
    await cluster.sql("SET password_encryption = 'md5'; CREATE ROLE md LOGIN REPLICATION PASSWORD 'secret'");
  });

  test("trust, SCRAM-SHA-256 and a cleartext password are used as the server asks", async () => {
    await use(connectOptions(cluster), (connection) => {
      expect(connection.authentication).toBe("trust");
    });
    await use(as("scram", "it's \\ secret"), (connection) => {
      expect(connection.authentication).toBe("SCRAM-SHA-256");
    });
    await use(as("clear", "pässword"), (connection) => {
      expect(connection.authentication).toBe("cleartext");
    });
  });

  test("a password of other characters is normalised as PostgreSQL does", async () => {
    const [[hex]] = (await cluster.sql("SELECT encode(convert_to(U&'\\0063af\\00e9 \\2168', 'UTF8'), 'hex')")) as [[string]];
    await use(as("unicode", Buffer.from(hex, "hex").toString("utf8")), () => undefined);
  });

  test("a wrong password, no password, md5 and a role without login are told apart", async () => {
    await expect(connect(as("scram", "wrong"))).rejects.toMatchObject({ code: "AUTH_FAILED", details: { sqlstate: "28P01" } });
    await expect(connect(as("clear", "wrong"))).rejects.toMatchObject({ code: "AUTH_FAILED", details: { sqlstate: "28P01" } });
    await expect(connect(as("nobody at all", "x"))).rejects.toMatchObject({ code: "AUTH_FAILED" });
    await expect(connect(as("scram", undefined))).rejects.toEqual(code("AUTH_PASSWORD_MISSING"));
    await expect(connect(as("nologin", "x"))).rejects.toMatchObject({ details: { sqlstate: "28000" } });
    // The method md5 in pg_hba.conf means SCRAM when the stored password is one, so only this role is refused by us.
    await expect(connect(as("md", "secret"))).rejects.toMatchObject({ code: "AUTH_METHOD_UNSUPPORTED", details: { method: "md5" } });
    await expect(connect(as("weak", "x"))).rejects.toMatchObject({ details: { sqlstate: "42501" } });
  });
});

requires("postgres-15", "openssl").describe("TLS on PostgreSQL 15", () => {
  let cluster: Cluster;
  let authority: Authority;
  let stranger: Authority;
  let ours: Certificate;

  const secured = (tls: Partial<ConnectOptions["tls"]>, extra: Partial<ConnectOptions> = {}): ConnectOptions =>
    connectOptions(cluster, {
      host: "localhost",
      user: "scram",
      password: async () => "secret",
      tls: { mode: "require", ...tls },
      ...extra,
    });

  async function serverCertificate(certificate: Certificate): Promise<void> {
    giveToUnprivileged(certificate.keyFile);
    await cluster.configure({ ssl: true, ssl_cert_file: certificate.certFile, ssl_key_file: certificate.keyFile, ssl_ca_file: authority.certFile });
    await cluster.restart();
  }

  beforeAll(async () => {
    authority = createAuthority({ key: "rsa:2048", digest: "sha384" });
    stranger = createAuthority();
    ours = authority.issue({ commonName: "cert" });
    cluster = await createCluster({
      hba: [
        "hostssl replication cert all cert",
        "hostssl replication scram all scram-sha-256",
        "hostnossl replication plain all scram-sha-256",
      ],
    });
    await cluster.sql("CREATE ROLE cert LOGIN REPLICATION; CREATE ROLE scram LOGIN REPLICATION PASSWORD 'secret'");
    await serverCertificate(authority.issue({ commonName: "x", alternativeNames: ["DNS:localhost", "IP:127.0.0.1"] }));
  });

  test("is used without a check of the server when no authority is configured, and SCRAM binds to it", async () => {
    for (const mode of ["prefer", "require"] as const) {
      await use(secured({ mode }), (connection) => {
        expect(connection).toMatchObject({ encrypted: true, authentication: "SCRAM-SHA-256-PLUS" });
      });
    }
  });

  test("verifies chain and name, by name and by address, when an authority is configured", async () => {
    for (const host of ["localhost", "127.0.0.1"]) {
      await use(secured({ mode: "prefer", caFile: authority.certFile }, { host }), (connection) => {
        expect(connection.encrypted).toBe(true);
      });
    }
    await expect(connect(secured({ caFile: stranger.certFile }))).rejects.toMatchObject({
      code: "TLS_FAILED",
      message: expect.stringMatching(new RegExp(`^TLS with localhost port ${cluster.port} failed: .*put the authority of its certificate into ${stranger.certFile}`)) as string,
    });
  });

  test("is refused with a certificate that was revoked (J03)", async () => {
    const next = authority.issue({ commonName: "x", alternativeNames: ["DNS:localhost", "IP:127.0.0.1"] });
    const lists = { none: authority.revoke([]), next: authority.revoke([next]) };
    await use(secured({ caFile: authority.certFile, crlFile: lists.next }), () => undefined);
    await serverCertificate(next);
    await use(secured({ caFile: authority.certFile, crlFile: lists.none }), () => undefined);
    const refused = connect(secured({ caFile: authority.certFile, crlFile: lists.next }));
    await expect(refused).rejects.toEqual(code("TLS_FAILED"));
    await expect(refused).rejects.toThrow(`${lists.next} has the certificate that localhost shows`);
  });

  test("shows a client certificate to a server that asks for one", async () => {
    const tls = { caFile: authority.certFile, certFile: ours.certFile, keyFile: ours.keyFile };
    await use(secured(tls, { user: "cert" }), (connection) => {
      expect(connection.authentication).toBe("trust");
    });
    await expect(connect(secured({ caFile: authority.certFile }, { user: "cert" }))).rejects.toMatchObject({ details: { sqlstate: "28000" } });
    const foreign = stranger.issue({ commonName: "cert" });
    const wrong = { caFile: authority.certFile, certFile: foreign.certFile, keyFile: foreign.keyFile };
    await expect(connect(secured(wrong, { user: "cert" }))).rejects.toMatchObject({ code: expect.stringMatching(/^(TLS_FAILED|SERVER_CONNECTION_LOST)$/) as unknown });
    // Whichever of the two reaches us first: that our certificate has ended can be seen here.
    const old = authority.issue({ commonName: "cert", days: -1 });
    await expect(connect(secured({ caFile: authority.certFile, ...old }, { user: "cert" }))).rejects.toThrow(`${old.certFile} expired on `);
  });

  test("files that do not fit together are refused before anything is sent", async () => {
    const other = authority.issue({ commonName: "cert" });
    await expect(connect(secured({ certFile: ours.certFile, keyFile: other.keyFile }))).rejects.toEqual(code("TLS_SETTINGS"));
    await expect(connect(secured({ caFile: ours.keyFile }))).rejects.toEqual(code("TLS_SETTINGS"));
    await expect(connect(secured({ caFile: "/nonexistent" }))).rejects.toEqual(code("TLS_SETTINGS"));
  });

  test("a cancel request goes over TLS as well", async () => {
    const connection = await connect(secured({ caFile: authority.certFile }, { replication: false, database: "postgres", user: "postgres" }));
    const running = connection.query("SELECT pg_catalog.pg_sleep(600)");
    running.catch(() => undefined);
    await cluster.sql("SELECT 1");
    await connection.cancel();
    await expect(running).rejects.toMatchObject({ details: { sqlstate: "57014" } });
    expect(connection.isClosed).toBe(false);
    await connection.terminate();
  });

  test.each([
    ["made out for another name", { commonName: "localhost", alternativeNames: ["DNS:db.example"] }, /does not match certificate's altnames/],
    ["that has ended", { commonName: "localhost", alternativeNames: ["DNS:localhost"], days: -1 }, /certificate has expired/],
  ])("a certificate %s is refused, and the reason said (J03, H08)", async (_what, subject, reason) => {
    await serverCertificate(authority.issue(subject));
    const refused = connect(secured({ mode: "prefer", caFile: authority.certFile }));
    await expect(refused).rejects.toEqual(code("TLS_FAILED"));
    await expect(refused).rejects.toThrow(reason);
    // Without an authority nobody asked who the server is.
    await use(secured({ mode: "prefer" }), () => undefined);
  });

  test("a server certificate that cannot be bound to is used without binding", async () => {
    const edwards = createAuthority({ key: "ed25519" });
    await serverCertificate(edwards.issue({ commonName: "localhost", alternativeNames: ["DNS:localhost"] }));
    await use(secured({ caFile: edwards.certFile }), (connection) => {
      expect(connection).toMatchObject({ encrypted: true, authentication: "SCRAM-SHA-256" });
    });
  });

  test("clear text is never used in its place (J03: no downgrade) once an authority is configured", async () => {
    await cluster.configure({ ssl: false });
    await cluster.restart();
    for (const mode of ["prefer", "require"] as const) {
      await expect(connect(secured({ mode, caFile: authority.certFile }))).rejects.toEqual(code("TLS_REFUSED"));
    }
    await expect(connect(secured({ mode: "require" }))).rejects.toEqual(code("TLS_REFUSED"));
  });
});

describe("passwords on every major", () => {
  for (const major of [13, 14, 16, 17, 18] as const) {
    requires(`postgres-${major}`).test(`SCRAM-SHA-256 on PostgreSQL ${major}`, async () => {
      const cluster = await createCluster({ major, hba: rules("scram"), settings: { password_encryption: "scram-sha-256" } });
      await cluster.sql("CREATE ROLE scram LOGIN REPLICATION PASSWORD 'secret'");
      const options = connectOptions(cluster, { host: "127.0.0.1", user: "scram", password: async () => "secret", tls: { mode: "prefer" } });
      await use(options, (connection) => {
        expect(connection.authentication).toBe("SCRAM-SHA-256");
        expect(Math.floor(connection.serverVersion / 10_000)).toBe(major);
      });
      await expect(connect({ ...options, password: async () => "wrong" })).rejects.toEqual(code("AUTH_FAILED"));
      await cluster.destroy();
    });
  }
});

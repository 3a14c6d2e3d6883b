/**
 * What is said when TLS with a server fails (H08): the host, the file, and what to do. The reasons are those that OpenSSL gives; that
 * PostgreSQL gives rise to them is shown in test/integration/replication/authentication.test.ts and test/system/daemon-connections.test.ts.
 */
import { expect, it } from "vitest";
import { messageOf } from "../../../src/common/index.ts";
import type { ConnectOptions } from "../../../src/replication/index.ts";
import { replicationErrors } from "../../../src/replication/index.ts";
import { withTlsRemedy } from "../../../src/replication/refused-tls.ts";
import { createAuthority } from "../../support/certificates.ts";
import { requires } from "../../support/requires.ts";

const options = (tls: Partial<ConnectOptions["tls"]> = {}, host = "db1"): ConnectOptions => ({
  host,
  port: 5432,
  user: "repl",
  replication: true,
  applicationName: "moneta",
  tls: { mode: "verify-full", caFile: "/etc/moneta/ca.crt", crlFile: "/etc/moneta/ca.crl", ...tls },
  connectTimeoutMs: 1000,
  keepAlive: true,
  noDelay: true,
});
const failure = (code: string, reason: string) => replicationErrors.tlsFailed(`TLS handshake failed: ${reason}`, {}, Object.assign(new Error(reason), { code }));
const said = async (error: unknown, own = options()): Promise<string> => messageOf(await withTlsRemedy(error, own));

it.each([
  ["CERT_HAS_EXPIRED", "certificate has expired", /the certificate that db1 shows .*ssl_cert_file.* reload/],
  ["CERT_NOT_YET_VALID", "certificate is not yet valid", /clock of this machine/],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "Hostname/IP does not match certificate's altnames", /give PostgreSQL a certificate for db1, or name the host as its certificate does/],
  ["CERT_REVOKED", "certificate revoked", /\/etc\/moneta\/ca\.crl has the certificate that db1 shows/],
  ["CRL_HAS_EXPIRED", "CRL has expired", /of db1, into \/etc\/moneta\/ca\.crl, and see that \/etc\/moneta\/ca\.crt has its authority/],
  ["UNABLE_TO_GET_CRL", "unable to get certificate CRL", /into \/etc\/moneta\/ca\.crl/],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate", /if db1 is who is meant, .* into \/etc\/moneta\/ca\.crt/],
  ["SELF_SIGNED_CERT_IN_CHAIN", "self-signed certificate in certificate chain", /into \/etc\/moneta\/ca\.crt/],
  ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "tlsv13 alert certificate required", /tls_cert_file and tls_key_file/],
])("%s is told with the host and with what puts it right", async (code, reason, remedy) => {
  const found = await withTlsRemedy(failure(code, reason), options());
  expect(found).toMatchObject({ code: "TLS_FAILED", details: { host: "db1", port: 5432 } });
  const text = messageOf(found);
  expect(text.startsWith(`TLS with db1 port 5432 failed: ${reason}; to put it right: `), text).toBe(true);
  expect(text).toMatch(remedy);
});

it("a reason has one line, without thread, source file and line of OpenSSL", async () => {
  const message = "800CADBC787F0000:error:0A000415:SSL routines:ssl3_read_bytes:sslv3 alert certificate expired:../deps/openssl/ssl/record/rec_layer_s3.c:1601:SSL alert number 45\n";
  const cause = Object.assign(new Error(message), { code: "ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED", reason: "sslv3 alert certificate expired" });
  expect(await said(replicationErrors.tlsFailed(`TLS failed: ${message}`, {}, cause))).toBe(
    "TLS with db1 port 5432 failed: sslv3 alert certificate expired; to put it right: name a certificate that is shown: tls_cert_file and tls_key_file",
  );
});

it("a failure of which nothing more is known has the host, and no advice that could be wrong", async () => {
  expect(await said(failure("ERR_SSL_WRONG_VERSION_NUMBER", "wrong version number"))).toBe("TLS with db1 port 5432 failed: wrong version number");
});

it("what is no failure of TLS, or is on a socket of this machine, stays as it is", async () => {
  for (const error of [replicationErrors.unreachable("x"), new Error("y"), replicationErrors.connectionLost("z")]) expect(await withTlsRemedy(error, options())).toBe(error);
  const error = failure("CERT_HAS_EXPIRED", "certificate has expired");
  expect(await withTlsRemedy(error, options({}, "/run/postgresql"))).toBe(error);
});

requires("openssl").it("a file of ours that has ended or begins later is named, with its day, also when the server closes without a word", async () => {
  const authority = createAuthority();
  const [ended, later, good] = [authority.issue({ commonName: "a", days: -1 }), authority.issue({ commonName: "a", later: true }), authority.issue({ commonName: "a" })];
  const alert = failure("ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED", "sslv3 alert certificate expired");
  expect(await said(alert, options({ certFile: ended.certFile }))).toMatch(new RegExp(`put it right: ${ended.certFile} expired on \\d{4}-\\d\\d-\\d\\d: put a new one into that file`));
  expect(await said(alert, options({ certFile: good.certFile }))).toContain(`put a certificate into ${good.certFile} whose authority PostgreSQL knows (ssl_ca_file)`);
  const lost = replicationErrors.connectionLost("server closed the connection");
  expect(await withTlsRemedy(lost, options({ certFile: later.certFile }))).toMatchObject({ code: "SERVER_CONNECTION_LOST", message: expect.stringContaining(`${later.certFile} is valid only from 2090-01-01 on`) as string });
  expect(await withTlsRemedy(lost, options({ certFile: good.certFile }))).toBe(lost);
  expect(await said(failure("CERT_HAS_EXPIRED", "certificate has expired"), options({ caFile: ended.certFile }))).toContain(`${ended.certFile} expired on`);
});

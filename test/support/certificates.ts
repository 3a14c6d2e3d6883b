import { execFileSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tool } from "./requires.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

export interface Certificate {
  readonly certFile: string;
  /** Mode 0600. */
  readonly keyFile: string;
}

export interface Authority extends Certificate {
  /** A certificate signed by this authority. */
  issue(subject: Subject): Certificate;
  /** A revocation list (PEM) of this authority; one that `ended` is out of date. */
  revoke(certificates: readonly Certificate[], ended?: boolean): string;
}

export interface Subject {
  readonly commonName: string;
  /** For instance `DNS:localhost` or `IP:127.0.0.1`; none by default. */
  readonly alternativeNames?: readonly string[];
  /** Days until it ends; negative: it has ended. Default 2. */
  readonly days?: number;
  /** It begins only in 2090. */
  readonly later?: true;
}

export interface KeyOptions {
  /** `rsa:2048`, `ec` (P-256, the default) or `ed25519`. */
  readonly key?: string;
  readonly digest?: string;
}

/** A certificate authority of a test, with the openssl program; its files are gone at the end of the test file. */
export function createAuthority(options: KeyOptions = {}): Authority {
  const directory = temporaryDirectory({ prefix: "mca" }).path;
  chmodSync(directory, 0o755);
  const digest = options.digest ?? "sha256";
  let serial = 1;
  const openssl = (...args: string[]): void => {
    execFileSync(tool("openssl"), args, { cwd: directory, stdio: ["ignore", "ignore", "pipe"] });
  };
  const newKey = (name: string): string => {
    const key = options.key ?? "ec";
    const file = join(directory, `${name}.key`);
    if (key === "ed25519") openssl("genpkey", "-algorithm", "ED25519", "-out", file);
    else if (key === "ec") openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file);
    else openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", `rsa_keygen_bits:${key.slice(4)}`, "-out", file);
    chmodSync(file, 0o600);
    return file;
  };
  const keyFile = newKey("ca");
  const certFile = join(directory, "ca.crt");
  openssl("req", "-x509", "-new", "-key", keyFile, `-${digest}`, "-days", "2", "-subj", "/CN=Test authority", "-out", certFile);

  return {
    certFile,
    keyFile,
    issue({ commonName, alternativeNames = [], days = 2, later = false }) {
      const name = `cert${serial++}`;
      const key = newKey(name);
      const request = join(directory, `${name}.csr`);
      const cert = join(directory, `${name}.crt`);
      const extensions = join(directory, `${name}.ext`);
      writeFileSync(extensions, alternativeNames.length === 0 ? "" : `subjectAltName=${alternativeNames.join(",")}\n`);
      openssl("req", "-new", "-key", key, `-${digest}`, "-subj", `/CN=${commonName}`, "-out", request);
      if (later) {
        writeFileSync(join(directory, "index.txt"), "");
        writeFileSync(join(directory, "later.cnf"), `[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nnew_certs_dir = .\nrand_serial = yes\npolicy = any\n[any]\ncommonName = supplied\n`);
        openssl(
          ...["ca", "-batch", "-notext", "-config", "later.cnf", "-cert", certFile, "-keyfile", keyFile, "-md", digest, "-in", request],
          ...["-startdate", "20900101000000Z", "-enddate", "20910101000000Z", "-extfile", extensions, "-out", cert],
        );
        return { certFile: cert, keyFile: key };
      }
      openssl(
        ...["x509", "-req", "-in", request, "-CA", certFile, "-CAkey", keyFile, "-set_serial", String(serial)],
        ...[`-${digest}`, "-days", String(days), "-extfile", extensions, "-out", cert],
      );
      return { certFile: cert, keyFile: key };
    },
    revoke(certificates, ended = false) {
      const file = join(directory, `revoked${serial++}.pem`);
      writeFileSync(join(directory, "index.txt"), "");
      const configuration = ["[ca]", "default_ca = own", "[own]", "database = index.txt", `default_md = ${digest}`, "default_crl_days = 2"];
      writeFileSync(join(directory, "ca.cnf"), `${configuration.join("\n")}\n`);
      const ca = (...args: string[]): void => openssl("ca", "-config", "ca.cnf", "-cert", certFile, "-keyfile", keyFile, ...args);
      for (const certificate of certificates) ca("-revoke", certificate.certFile);
      const then = ended ? ["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200102000000Z"] : [];
      ca("-gencrl", ...then, "-out", file);
      return file;
    },
  };
}

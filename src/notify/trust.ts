/** Whom notifications trust over TLS. The files are read for each attempt, so that new ones count at once. */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { messageOf } from "../common/index.ts";
import { notifyErrors } from "./errors.ts";

export interface TrustFiles {
  /** PEM file of authorities that are trusted besides those that Node knows. */
  readonly caFile?: string | undefined;
  /** PEM file of the lists of revoked certificates, one of each authority: a target whose authority has none that holds is not trusted. */
  readonly crlFile?: string | undefined;
}

/** For `connect` of node:tls; without files it is Node's own choice. */
export interface Trust {
  readonly ca?: string[];
  readonly crl?: string;
}

/** Reads the files. Throws NOTIFY_UNREACHABLE, which names the one that cannot be used. */
export async function trustOf({ caFile, crlFile }: TrustFiles): Promise<Trust> {
  if (caFile === undefined && crlFile === undefined) return {};
  // A process that sends nothing over TLS does without them.
  const { createSecureContext, rootCertificates } = await import("node:tls");
  // A file without an authority, or without a list, would be none at all.
  const ca = await readUsable(caFile, (text) => new X509Certificate(text));
  const crl = await readUsable(crlFile, (text) => createSecureContext({ crl: text }));
  return { ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }), ...(crl === undefined ? {} : { crl }) };
}

async function readUsable(path: string | undefined, check: (text: string) => unknown): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    const text = await readFile(path, "utf8");
    check(text);
    return text;
  } catch (error) {
    throw notifyErrors.unreachable(`"${path}" cannot be used: ${messageOf(error)}`, { path }, error);
  }
}

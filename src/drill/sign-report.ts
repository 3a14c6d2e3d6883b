/**
 * Signatures of drill reports (Ed25519, RFC 8032), so that whoever is shown one can tell that this installation wrote it and
 * that nobody changed it since. The key comes from the master key: there is no further secret to keep, and the public
 * half, which lies beside the reports, is all that checking takes:
 *
 *   openssl pkeyutl -verify -pubin -inkey signer-<id>.pem -rawin -in <report>.json -sigfile <report>.json.sig
 */
import { createHash, createPrivateKey, createPublicKey, hkdfSync, sign } from "node:crypto";
import type { MasterKey } from "../encryption/index.ts";

export interface ReportSigner {
  /** First 16 hexadecimal digits of the SHA-256 of the public key (SubjectPublicKeyInfo). Another master key, another signer. */
  readonly id: string;
  /** The public key as PEM. */
  readonly publicKey: string;
  /** 64 bytes. */
  sign(text: string): Buffer;
}

const PURPOSE = "moneta drill report v1";
/** PKCS #8 of an Ed25519 key up to its 32 bytes of seed (RFC 8410 section 7). */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");

export function createReportSigner({ material }: MasterKey): ReportSigner {
  const seed = Buffer.from(hkdfSync("sha256", material, Buffer.alloc(0), PURPOSE, 32));
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(privateKey);
  return {
    id: createHash("sha256").update(publicKey.export({ format: "der", type: "spki" })).digest("hex").slice(0, 16),
    publicKey: publicKey.export({ format: "pem", type: "spki" }).toString(),
    sign: (text) => sign(null, Buffer.from(text, "utf8"), privateKey),
  };
}

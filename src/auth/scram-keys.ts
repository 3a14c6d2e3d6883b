import { createHash, createHmac, pbkdf2 } from "node:crypto";
import { promisify } from "node:util";
import { authErrors } from "./errors.ts";
import { preparePassword } from "./password-preparation.ts";

/** Upper bound of iterations: a hostile peer must not be able to keep a core busy for minutes. */
export const maximumIterations = 10_000_000;

/** What a server keeps of a password (RFC 5802 section 3); it cannot be turned back into the password. */
export interface ScramSecret {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** Keys that both sides compute from a password (RFC 5802 section 3). */
export interface ScramKeys {
  readonly clientKey: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export const hmac = (key: Buffer, text: string | Buffer): Buffer => createHmac("sha256", key).update(text).digest();
export const sha256 = (data: Buffer): Buffer => createHash("sha256").update(data).digest();

export function xor(a: Buffer, b: Buffer): Buffer {
  const out = Buffer.alloc(a.length);
  for (let i = 0; i < a.length; i++) out[i] = (a[i] ?? 0) ^ (b[i] ?? 0);
  return out;
}

/** SaltedPassword and its children; PBKDF2 runs in the thread pool. */
export async function deriveScramKeys(password: string, salt: Buffer, iterations: number): Promise<ScramKeys> {
  const salted = await promisify(pbkdf2)(preparePassword(password), salt, iterations, 32, "sha256");
  const clientKey = hmac(salted, "Client Key");
  return { clientKey, storedKey: sha256(clientKey), serverKey: hmac(salted, "Server Key") };
}

/** The secret a server stores for a password. */
export async function createScramSecret(password: string, salt: Buffer, iterations = 4096): Promise<ScramSecret> {
  const { storedKey, serverKey } = await deriveScramKeys(password, salt, iterations);
  return { iterations, salt, storedKey, serverKey };
}

/** PostgreSQL's text form, as in `pg_authid.rolpassword`: `SCRAM-SHA-256$<iterations>:<salt>$<stored>:<server>`. */
export function formatScramSecret(secret: ScramSecret): string {
  const text = (part: Buffer): string => part.toString("base64");
  return `SCRAM-SHA-256$${secret.iterations}:${text(secret.salt)}$${text(secret.storedKey)}:${text(secret.serverKey)}`;
}

/** Inverse of `formatScramSecret`. Throws `AUTH_PROTOCOL` for anything else. */
export function parseScramSecret(text: string): ScramSecret {
  const match = /^SCRAM-SHA-256\$([1-9][0-9]{0,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]{44}):([A-Za-z0-9+/=]{44})$/.exec(text);
  const [, iterations = "", salt = "", stored = "", server = ""] = match ?? [];
  const storedKey = Buffer.from(stored, "base64");
  const serverKey = Buffer.from(server, "base64");
  if (match === null || storedKey.length !== 32 || serverKey.length !== 32) {
    throw authErrors.protocol("stored password is not a SCRAM-SHA-256 secret");
  }
  return { iterations: Number(iterations), salt: Buffer.from(salt, "base64"), storedKey, serverKey };
}

/** Master key, messages sealed with it, and data keys wrapped by it. */
import { createDecipheriv, pbkdf2Sync, randomBytes } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import fc from "fast-check";
import {
  type Cipher,
  createDataKey,
  createMessageOpener,
  createMessageSealer,
  deriveMasterKey,
  encryptionErrors,
  encryptionModes,
  keyLength,
  type MasterKey,
  MESSAGE_HEADER_LENGTH,
  openMessage,
  sealMessage,
  unwrapDataKey,
  wrapDataKey,
} from "../../../src/encryption/index.ts";

const ciphers = encryptionModes.filter((mode): mode is Cipher => mode !== "none");
const salt = Buffer.from("000102030405060708090a0b0c0d0e0f", "hex");
const code = (error: { spec: { code: string } }): unknown => expect.objectContaining({ code: error.spec.code });
let masterKey: MasterKey;
let otherKey: MasterKey;

beforeAll(async () => {
  masterKey = await deriveMasterKey("correct horse battery staple", salt);
  otherKey = await deriveMasterKey("correct horse battery stapler", salt);
});

describe("the master key", () => {
  test("is PBKDF2-HMAC-SHA256 with 600,000 iterations and 64 bytes", () => {
    expect(masterKey.material.equals(pbkdf2Sync("correct horse battery staple", salt, 600_000, 64, "sha256"))).toBe(
      true,
    );
  });

  test("does not depend on how the passphrase is given, but on the salt", async () => {
    expect(
      (await deriveMasterKey(Buffer.from("correct horse battery staple"), salt)).material.equals(masterKey.material),
    ).toBe(true);
    expect(
      (await deriveMasterKey("correct horse battery staple", randomBytes(16))).material.equals(masterKey.material),
    ).toBe(false);
  });
});

test("the same files read again give the same key without deriving it again", async () => {
  const key = deriveMasterKey("correct horse battery staple", salt);
  expect(deriveMasterKey(Buffer.from("correct horse battery staple"), Buffer.from(salt))).toBe(key);
  expect(await key).toBe(await deriveMasterKey("correct horse battery staple", salt));
});

describe.each(ciphers)("messages with %s", (mode) => {
  test("are the same whether they were sealed and opened at once or in pieces", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (pieces) => {
        const plain = Buffer.concat(pieces);
        const sealer = createMessageSealer(masterKey, mode);
        const sealed = Buffer.concat([sealer.header(), ...pieces.map((piece) => sealer.update(piece)), sealer.finish()]);
        expect(openMessage(masterKey, mode, sealed).equals(plain)).toBe(true);
        const whole = sealMessage(masterKey, mode, plain);
        const opener = createMessageOpener(masterKey, mode, whole.subarray(0, MESSAGE_HEADER_LENGTH));
        const opened = opener.update(whole.subarray(MESSAGE_HEADER_LENGTH, -16));
        opener.finish(whole.subarray(-16));
        expect(opened.equals(plain)).toBe(true);
        expect(() => createMessageOpener(otherKey, mode, whole.subarray(0, MESSAGE_HEADER_LENGTH)).finish(whole.subarray(-16))).toThrow(
          code(encryptionErrors.notAuthentic),
        );
      }),
      { numRuns: 50 },
    );
  });

  test("are opened again, whatever their length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (plain) => {
        const sealed = sealMessage(masterKey, mode, plain);
        expect(sealed.length).toBe(plain.length + 44);
        expect(Buffer.compare(openMessage(masterKey, mode, sealed), plain)).toBe(0);
      }),
    );
  });

  test("have pgmoneta's form: salt, IV, ciphertext, tag, keyed by one iteration over the master key", () => {
    const sealed = sealMessage(masterKey, mode, Buffer.from("password"));
    const derived = pbkdf2Sync(masterKey.material, sealed.subarray(0, 16), 1, 80, "sha256");
    const decipher = createDecipheriv(mode, derived.subarray(0, keyLength[mode]), sealed.subarray(16, 28), {
      authTagLength: 16,
    });
    decipher.setAuthTag(sealed.subarray(-16));
    expect(Buffer.concat([decipher.update(sealed.subarray(28, -16)), decipher.final()]).toString()).toBe("password");
  });

  test("with any bit changed, any byte missing or added, or another key are refused", () => {
    const sealed = sealMessage(masterKey, mode, Buffer.from("a secret of some length"));
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => openMessage(masterKey, mode, changed)).toThrow(code(encryptionErrors.notAuthentic));
    }
    for (let length = 0; length < sealed.length; length++) {
      const expected = length < 44 ? encryptionErrors.malformed : encryptionErrors.notAuthentic;
      expect(() => openMessage(masterKey, mode, sealed.subarray(0, length))).toThrow(code(expected));
    }
    expect(() => openMessage(masterKey, mode, Buffer.concat([sealed, Buffer.of(0)]))).toThrow(
      code(encryptionErrors.notAuthentic),
    );
    expect(() => openMessage(otherKey, mode, sealed)).toThrow(code(encryptionErrors.notAuthentic));
  });
});

test("mode none is the message itself, as a copy", () => {
  const plain = Buffer.from("clear");
  const sealed = sealMessage(masterKey, "none", plain);
  expect(sealed.equals(plain)).toBe(true);
  sealed.fill(0);
  expect(plain.toString()).toBe("clear");
  expect(openMessage(masterKey, "none", plain).equals(plain)).toBe(true);
});

describe("data keys", () => {
  test("are random and have ids of 32 hexadecimal digits", () => {
    const made = Array.from({ length: 50 }, createDataKey);
    expect(new Set(made.map((key) => key.id)).size).toBe(50);
    expect(new Set(made.map((key) => key.secret.toString("hex"))).size).toBe(50);
    for (const key of made) {
      expect(key.id).toMatch(/^[0-9a-f]{32}$/);
      expect(key.secret.length).toBe(32);
    }
  });

  test("survive wrapping, and the text does not show them", () => {
    const key = createDataKey();
    const text = wrapDataKey(masterKey, key);
    expect(text).toMatch(/^v1:[0-9a-f]{32}:[A-Za-z0-9+/=]+$/);
    expect(text).not.toContain(key.secret.toString("base64").slice(0, 16));
    const unwrapped = unwrapDataKey(masterKey, `${text}\n`);
    expect(unwrapped.id).toBe(key.id);
    expect(unwrapped.secret.equals(key.secret)).toBe(true);
  });

  test("are not unwrapped by another master key, under another id, or from damaged text", () => {
    const [one, two] = [createDataKey(), createDataKey()];
    const text = wrapDataKey(masterKey, one);
    expect(() => unwrapDataKey(otherKey, text)).toThrow(code(encryptionErrors.notAuthentic));
    expect(() => unwrapDataKey(masterKey, text.replace(one.id, two.id))).toThrow(code(encryptionErrors.notAuthentic));
    for (const bad of [
      "",
      "v1",
      "v2" + text.slice(2),
      text.slice(0, 20),
      `${text}:x`,
      text.replace(/:[^:]*$/, ":!!!"),
    ]) {
      expect(() => unwrapDataKey(masterKey, bad)).toThrow(code(encryptionErrors.malformed));
    }
    const flipped = text.slice(0, -6) + (text.at(-6) === "A" ? "B" : "A") + text.slice(-5);
    expect(() => unwrapDataKey(masterKey, flipped)).toThrow(code(encryptionErrors.notAuthentic));
  });
});

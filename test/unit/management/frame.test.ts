import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { deriveMasterKey } from "../../../src/encryption/index.ts";
import type { MasterKey } from "../../../src/encryption/index.ts";
import {
  createFrameReader,
  decodeFrame,
  encodeFrame,
  frameCompressions,
  frameEncryptions,
  maxRequestBytes,
  maxRequestDocumentBytes,
} from "../../../src/management/index.ts";
import type { Frame } from "../../../src/management/index.ts";
import { readCapture, recordedPayload } from "./captures.ts";

let key: MasterKey;
beforeAll(async () => {
  key = await deriveMasterKey("correct horse", randomBytes(16));
});

const shapes = frameCompressions.flatMap((compression) =>
  frameEncryptions.map((encryption) => ({ compression, encryption })),
);

function readWhole(bytes: Buffer): Frame {
  const frame = createFrameReader(maxRequestBytes).push(bytes);
  if (frame === undefined) throw new Error("the frame is not complete");
  return frame;
}

describe("frame reader", () => {
  it("finds the same frame however the bytes are split", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.constantFrom(...shapes),
        fc.uint8Array({ maxLength: 9 }),
        (payload, shape, after) => {
          const header = Buffer.from([
            frameCompressions.indexOf(shape.compression),
            frameEncryptions.indexOf(shape.encryption),
            0,
            0,
            0,
            payload.length,
          ]);
          const bytes = Buffer.concat([header, payload, after]);
          for (let cut = 0; cut <= bytes.length; cut += 1) {
            const reader = createFrameReader(maxRequestBytes);
            const found = [bytes.subarray(0, cut), bytes.subarray(cut)]
              .map((piece) => reader.push(piece))
              .filter((frame) => frame !== undefined);
            expect(found).toEqual([{ ...shape, payload: Buffer.from(payload) }]);
            expect(reader.surplus).toBe(after.length);
          }
          const single = createFrameReader(maxRequestBytes);
          const frames = [...bytes].map((byte) => single.push(Uint8Array.of(byte)));
          expect(frames.filter((frame) => frame !== undefined)).toHaveLength(1);
          expect(frames[header.length + payload.length - 1]).toBeDefined();
        },
      ),
    );
  });

  it("does not depend on the read buffer after it returned", () => {
    const reader = createFrameReader(maxRequestBytes);
    const piece = Buffer.from([0, 0, 0, 0, 0, 4, 1, 2]);
    reader.push(piece);
    piece.fill(0xff);
    expect(reader.push(Buffer.from([3, 4]))?.payload).toEqual(Buffer.from([1, 2, 3, 4]));
  });

  it.each([
    ["an unknown compression", [5, 0, 0, 0, 0, 1], "MANAGEMENT_FRAME_INVALID"],
    ["an unknown encryption", [0, 4, 0, 0, 0, 1], "MANAGEMENT_FRAME_INVALID"],
    ["an empty payload", [0, 0, 0, 0, 0, 0], "MANAGEMENT_FRAME_INVALID"],
    ["a web request", [...Buffer.from("GET / ")], "MANAGEMENT_FRAME_INVALID"],
    ["one byte more than the limit", [0, 0, 0, 0x10, 0, 1], "MANAGEMENT_FRAME_TOO_LARGE"],
    ["the largest length", [0, 0, 0xff, 0xff, 0xff, 0xff], "MANAGEMENT_FRAME_TOO_LARGE"],
  ])("refuses %s as soon as the header is there", (_what, header, code) => {
    expect(() => createFrameReader(maxRequestBytes).push(Buffer.from(header))).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

describe("frame payload", () => {
  it.each(shapes)("carries a document with $compression and $encryption", async (shape) => {
    const document = JSON.stringify({ Request: { Server: "prímary \u{1f418}" }, filler: "abc".repeat(500) });
    const frame = readWhole(await encodeFrame(document, shape, key));
    expect(frame).toMatchObject(shape);
    expect(await decodeFrame(frame, key, maxRequestDocumentBytes)).toBe(document);
    const clear = shape.compression === "none" && shape.encryption === "none";
    expect(frame.payload.toString()).toMatch(clear ? /^\{/ : /^[A-Za-z0-9+/]+=*$/);
  });

  it.each(frameCompressions.filter((compression) => compression !== "none"))(
    "refuses a %s bomb",
    async (compression) => {
      const bomb = readWhole(
        await encodeFrame(
          `{"a":"${"0".repeat(maxRequestDocumentBytes)}"}`,
          { compression, encryption: "none" },
          undefined,
        ),
      );
      expect(bomb.payload.length).toBeLessThan(maxRequestBytes);
      await expect(decodeFrame(bomb, undefined, maxRequestDocumentBytes)).rejects.toMatchObject({
        code: "COMPRESSED_MESSAGE_TOO_LARGE",
      });
    },
  );

  it("refuses every changed byte of an encrypted payload", async () => {
    const frame = readWhole(
      await encodeFrame('{"Header":{}}', { compression: "gzip", encryption: "aes-256-gcm" }, key),
    );
    const sealed = Buffer.from(frame.payload.toString(), "base64");
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      const payload = Buffer.from(changed.toString("base64"));
      await expect(decodeFrame({ ...frame, payload }, key, maxRequestDocumentBytes)).rejects.toMatchObject({
        code: "ENCRYPTION_NOT_AUTHENTIC",
      });
    }
  });

  it("refuses the wrong length of key, the wrong key and no key", async () => {
    const frame = readWhole(await encodeFrame("{}", { compression: "none", encryption: "aes-256-gcm" }, key));
    const other = await deriveMasterKey("another", randomBytes(16));
    await expect(decodeFrame({ ...frame, encryption: "aes-128-gcm" }, key, 100)).rejects.toMatchObject({
      code: "ENCRYPTION_NOT_AUTHENTIC",
    });
    await expect(decodeFrame(frame, other, 100)).rejects.toMatchObject({ code: "ENCRYPTION_NOT_AUTHENTIC" });
    await expect(decodeFrame(frame, undefined, 100)).rejects.toMatchObject({ code: "MANAGEMENT_MASTER_KEY_MISSING" });
    await expect(encodeFrame("{}", frame, undefined)).rejects.toMatchObject({ code: "MANAGEMENT_MASTER_KEY_MISSING" });
  });

  it.each(["{}", "QUJD\n", "QUJD QUJD", "QUJD=", "Q", ""])("refuses %j where base64 is due", async (text) => {
    const frame = { compression: "gzip", encryption: "none", payload: Buffer.from(text) } as const;
    await expect(decodeFrame(frame, undefined, 100)).rejects.toBeInstanceOf(Error);
  });

  it("refuses text that is not UTF-8", async () => {
    const frame = { compression: "none", encryption: "none", payload: Buffer.from([0x22, 0xff, 0x22]) } as const;
    await expect(decodeFrame(frame, undefined, 100)).rejects.toMatchObject({ code: "MANAGEMENT_DOCUMENT_INVALID" });
  });

  it("has the form of the recorded encrypted conversation", async () => {
    const recorded = readCapture("ping");
    const sealed = Buffer.from(recordedPayload("ping-gzip-aes"), "base64");
    const ours = readWhole(
      await encodeFrame(
        JSON.stringify({ ...recorded.request }),
        { compression: "gzip", encryption: "aes-256-gcm" },
        key,
      ),
    );
    // Both are salt, IV, one gzip member of the same document and the tag; members differ by some bytes.
    expect(Math.abs(Buffer.from(ours.payload.toString(), "base64").length - sealed.length)).toBeLessThan(30);
    expect(sealed.toString("base64")).toBe(recordedPayload("ping-gzip-aes"));
  });
});

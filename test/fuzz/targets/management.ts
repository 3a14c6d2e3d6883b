/** The operators' protocol, both directions: frames, what is sealed and packed in them, documents. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MonetaError } from "../../../src/common/index.ts";
import {
  buildRequest,
  buildResponse,
  checkRequest,
  createFrameReader,
  decodeFrame,
  encodeDocument,
  encodeFrame,
  encodeJson,
  frameCompressions,
  frameEncryptions,
  maxRequestBytes,
  parseJson,
  parseRequest,
  parseResponse,
  type Frame,
} from "../../../src/management/index.ts";
import { cut } from "../engine/mutate.ts";
import type { Random } from "../engine/random.ts";
import { mustEqual, mustHold, type FuzzTarget } from "../engine/target.ts";
import { createMasterKeySample } from "./keys.ts";

const captures = join(import.meta.dirname, "../../fixtures/pgmoneta-captures");

/** Requests and answers of pgmoneta, as compact texts. */
function recordedDocuments(): Buffer[] {
  return readdirSync(captures).flatMap((name) => {
    const { request, response } = parseJson(readFileSync(join(captures, name), "utf8")) as Record<string, Parameters<typeof encodeJson>[0] | undefined>;
    return [request, response].flatMap((part) => (typeof part === "object" && part !== null ? [Buffer.from(encodeJson(part))] : []));
  });
}

const jsonWords = ["\"Header\":", "\"Request\":{}", "\"Outcome\":{\"Status\":true}", "\"Command\":1", "\"Server\":", "1.5", "-0", "1e400", "\\u0000", "\\ud83d", "{\"a\":", "[[[[", "\"Backup\":\"newest\""];

export const managementJsonTarget: FuzzTarget = {
  name: "management-json",
  open: () => ({
    corpus: recordedDocuments(),
    words: jsonWords,
    run(input) {
      const text = input.toString("utf8");
      const value = parseJson(text);
      const written = encodeJson(value);
      mustEqual(encodeJson(parseJson(written)), written, "what is written is read again");
      mustEqual(encodeJson(parseJson(encodeJson(value, 2))), written, "however it is laid out");
      // Control characters within texts are the one thing that C writers do and the standard does not allow.
      if (!/[\u0000-\u001f]/.test(text)) JSON.parse(text);
      return undefined;
    },
  }),
};

export const managementDocumentTarget: FuzzTarget = {
  name: "management-document",
  open: () => ({
    corpus: recordedDocuments(),
    words: jsonWords,
    run(input, random) {
      const text = input.toString("utf8");
      if (random.once(2)) {
        const { document, outcome } = parseResponse(text);
        mustHold(typeof outcome.status === "boolean" && Number.isFinite(outcome.error), "an outcome is yes or no");
        encodeDocument(document);
        return undefined;
      }
      const raw = parseRequest(text);
      let refused: MonetaError | undefined;
      try {
        checkRequest(raw);
      } catch (error) {
        if (!(error instanceof MonetaError)) throw error;
        refused = error;
      }
      // Refused or not: it is answered, and the answer can be read.
      const result = refused === undefined ? ({ status: true, response: null } as const) : ({ status: false, error: refused } as const);
      const answer = parseResponse(encodeDocument(buildResponse(raw, result, 12)));
      mustEqual(answer.outcome.status, refused === undefined, "the answer says how it ended");
      return refused?.code;
    },
  }),
};

const masterKey = createMasterKeySample();
const limit = 1024 * 1024;

/** A frame around any payload. */
function framed(payload: Buffer, random: Random): Buffer {
  const header = Buffer.alloc(6);
  header[0] = random.below(6);
  header[1] = random.once(2) ? 0 : random.below(5);
  header.writeUInt32BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}

function readFrame(pieces: readonly Buffer[]): { frame: Frame | undefined; surplus: number } {
  const reader = createFrameReader(maxRequestBytes);
  let frame: Frame | undefined;
  for (const piece of pieces) {
    const lent = Buffer.from(piece);
    const complete = reader.push(lent);
    frame ??= complete;
    lent.fill(0xaa);
  }
  return { frame, surplus: reader.surplus };
}

export const managementFrameTarget: FuzzTarget = {
  name: "management-frame",
  cost: 4,
  atOnce: 8,
  // Room for all that is allowed is set aside by the decoder of bzip2.
  allocation: 4 * limit,
  async open() {
    const text = encodeDocument(buildRequest("list-backup", { Server: "primary", Sort: "asc" }, { output: "json", compression: 0, encryption: 0, now: 0 }));
    const corpus: Buffer[] = [];
    for (const compression of frameCompressions) {
      for (const encryption of frameEncryptions) corpus.push(await encodeFrame(text, { compression, encryption }, masterKey));
    }
    return {
      corpus,
      words: [Buffer.from([0, 0, 0, 0, 0, 5]), Buffer.from([1, 1, 0xff, 0xff, 0xff, 0xff]), "==", "AAAA"],
      repair(input, random) {
        if (input.length < 6) return input;
        if (random.once(3)) return framed(input.subarray(6), random);
        const repaired = Buffer.from(input);
        repaired.writeUInt32BE(repaired.length - 6, 2);
        // Behind base64 lie the compressed bytes themselves.
        if (repaired[0] === 0 || repaired[1] !== 0 || random.once(3)) return repaired;
        const packed = Buffer.from(repaired.toString("latin1", 6), "base64");
        const at = random.below(packed.length + 1);
        if (at < packed.length) packed[at] = random.below(256);
        const payload = Buffer.from(packed.toString("base64"), "latin1");
        repaired.writeUInt32BE(payload.length, 2);
        return Buffer.concat([repaired.subarray(0, 6), payload]);
      },
      async run(input, random) {
        const whole = readFrame([input]);
        mustEqual(readFrame(cut(input, random)), whole, "it is the same frame however it is cut");
        if (whole.frame === undefined) return "more is needed";
        const document = await decodeFrame(whole.frame, random.once(8) ? undefined : masterKey, limit);
        mustHold(Buffer.byteLength(document) <= limit, "a document is not larger than is allowed");
        const again = readFrame([await encodeFrame(document, whole.frame, masterKey)]);
        if (document !== "" && again.frame !== undefined) {
          mustEqual(await decodeFrame(again.frame, masterKey, limit), document, "what is written is read again");
        }
        return undefined;
      },
    };
  },
};

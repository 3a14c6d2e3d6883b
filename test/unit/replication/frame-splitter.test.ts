import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createFrameSplitter } from "../../../src/replication/frame-splitter.ts";
import { backend, backendMessage } from "../../support/backend-messages.ts";

/** What the splitter handed out, with every CopyData put together again; all bytes are copied, as a sink must. */
function collect(): { splitter: ReturnType<typeof createFrameSplitter>; seen: string[] } {
  const seen: string[] = [];
  let copy: Buffer[] = [];
  let announced = 0;
  const splitter = createFrameSplitter({
    message: (frame) => seen.push(frame.toString("latin1")),
    copyStart: (length) => {
      announced = length;
      copy = [];
    },
    copyPiece: (piece) => {
      expect(piece.length).toBeGreaterThan(0);
      copy.push(Buffer.from(piece));
    },
    copyEnd: () => {
      const payload = Buffer.concat(copy);
      expect(payload.length).toBe(announced);
      seen.push(`copy ${payload.toString("latin1")}`);
    },
  });
  return { splitter, seen };
}

const conversation = [
  backend.ready(),
  backend.columns("a", "b"),
  backend.row("x", null),
  backend.copyOut(),
  backend.copyData("hello"),
  backend.copyData(""),
  backend.copyData(Buffer.alloc(300, "z")),
  backend.copyDone(),
  backend.complete("COPY 2"),
  backend.ready(),
];
const expected = conversation.map((frame) =>
  frame[0] === 0x64 ? `copy ${frame.subarray(5).toString("latin1")}` : frame.toString("latin1"),
);
const bytes = Buffer.concat(conversation);

describe("messages come out the same", () => {
  test("when the stream is split at any one byte", () => {
    for (let at = 0; at <= bytes.length; at++) {
      const { splitter, seen } = collect();
      splitter.trust();
      splitter.push(bytes.subarray(0, at));
      splitter.push(bytes.subarray(at));
      expect(seen).toEqual(expected);
    }
  });

  test("when every byte comes alone", () => {
    const { splitter, seen } = collect();
    splitter.trust();
    for (let at = 0; at < bytes.length; at++) splitter.push(bytes.subarray(at, at + 1));
    expect(seen).toEqual(expected);
  });

  test("whatever the messages and wherever the cuts, also when the read buffer is used again", () => {
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((data) => backend.copyData(Buffer.from(data))),
      fc.string({ maxLength: 50 }).map((tag) => backend.complete(tag.replaceAll("\0", ""))),
      fc.string({ maxLength: 50 }).map((value) => backend.row(value)),
    );
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (messages, cuts) => {
        const stream = Buffer.concat(messages);
        const { splitter, seen } = collect();
        splitter.trust();
        const readBuffer = Buffer.alloc(200);
        for (let at = 0, i = 0; at < stream.length; i++) {
          const count = stream.copy(readBuffer, 0, at, at + (cuts[i % cuts.length] ?? 1));
          splitter.push(readBuffer.subarray(0, count));
          readBuffer.fill(0xff);
          at += count;
        }
        expect(seen).toEqual(
          messages.map((frame) => (frame[0] === 0x64 ? `copy ${frame.subarray(5).toString("latin1")}` : frame.toString("latin1"))),
        );
      }),
    );
  });
});

describe("what is not PostgreSQL is noticed at its first five bytes", () => {
  const refused = expect.objectContaining({ code: "SERVER_PROTOCOL" }) as unknown;
  const push = (frame: Buffer, trusted: boolean) => () => {
    const { splitter } = collect();
    if (trusted) splitter.trust();
    splitter.push(frame);
  };

  test.each([
    ["an HTTP answer", Buffer.from("HTTP/1.1 400 Bad Request\r\n")],
    ["an unknown type", backendMessage("?", Buffer.alloc(0))],
    ["a message of the client side", backendMessage("Q", Buffer.from("SELECT 1\0"))],
    ["COPY in the wrong direction", backendMessage("G", Buffer.alloc(3))],
    ["a length below four", backendMessage("Z", Buffer.alloc(0), 3)],
    ["a length of gigabytes", backendMessage("D", Buffer.alloc(0), 0x7fff_ffff)],
    ["a length with the top bit set", backendMessage("d", Buffer.alloc(0), 0xffff_ffff)],
    ["an error as long as a film", backendMessage("E", Buffer.alloc(0), 50_000_000)],
  ])("%s", (_what, frame) => {
    expect(push(frame, true)).toThrow(refused);
    expect(push(frame, false)).toThrow(refused);
  });

  test("a stranger may not send rows, COPY data, or long messages", () => {
    expect(push(backend.row("x"), false)).toThrow(refused);
    expect(push(backend.copyData("x"), false)).toThrow(refused);
    expect(push(backend.error({ code: "XX000", message: "x".repeat(20_000) }), false)).toThrow(refused);
    expect(push(backend.error({ code: "XX000", message: "x".repeat(20_000) }), true)).not.toThrow();
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lsn } from "../../../src/postgres/index.ts";
import { createWalMessageDecoder, encodeStandbyStatus } from "../../../src/replication/wal-message.ts";
import { backend } from "../../support/backend-messages.ts";

const time = Date.UTC(2026, 10, 20, 9, 30);
const top = 0xffff_ffff_0000_0000n;

/** CopyData payloads of a WAL stream, and what they mean. */
const messages = [
  { payload: backend.walData(0x16_0000_0000n, Buffer.from("first"), 0x16_0000_9999n, time).subarray(5), means: "data 94489280512 first; end 94489280517 of 94489319833 at " + String(time) },
  { payload: backend.keepalive(0x17n, true, time).subarray(5), means: `keepalive 23 true at ${time}` },
  { payload: backend.keepalive(top, false, 0).subarray(5), means: `keepalive ${top} false at 0` },
  { payload: backend.walData(top, Buffer.alloc(40, "w"), top + 40n, time).subarray(5), means: `data ${top} ${"w".repeat(40)}; end ${top + 40n} of ${top + 40n} at ${time}` },
  { payload: backend.walData(1n, Buffer.alloc(0), 2n, time).subarray(5), means: `data none ; end 1 of 2 at ${time}` },
];

function decode(payloads: readonly Buffer[], cuts: readonly number[]): string[] {
  const seen: string[] = [];
  let text = "";
  let start: bigint | undefined;
  let next: bigint | undefined;
  const decoder = createWalMessageDecoder({
    data(at, piece) {
      start ??= at;
      if (next !== undefined) expect(at).toBe(next);
      next = at + BigInt(piece.length);
      text += piece.toString("latin1");
    },
    dataEnd(end, state) {
      seen.push(`data ${start ?? "none"} ${text}; end ${end} of ${state.serverEnd} at ${state.serverTime}`);
      text = "";
      start = undefined;
      next = undefined;
    },
    keepalive: (keepalive) => {
      seen.push(`keepalive ${keepalive.serverEnd} ${keepalive.replyRequested} at ${keepalive.serverTime}`);
    },
  });
  let cut = 0;
  for (const payload of payloads) {
    decoder.start(payload.length);
    for (let at = 0; at < payload.length; cut++) {
      const length = cuts[cut % cuts.length] ?? 1;
      decoder.piece(payload.subarray(at, at + length));
      at += length;
    }
    decoder.end();
  }
  return seen;
}

describe("messages of the WAL stream", () => {
  test("mean the same wherever they are cut", () => {
    const payloads = messages.map((message) => message.payload);
    const means = messages.map((message) => message.means);
    for (let size = 1; size <= 70; size++) expect(decode(payloads, [size])).toEqual(means);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (cuts) => {
        expect(decode(payloads, cuts)).toEqual(means);
      }),
    );
  });

  test.each([
    ["an unknown type", Buffer.from("z123456789")],
    ["a keepalive that is too long", Buffer.concat([messages[1]?.payload ?? Buffer.alloc(0), Buffer.alloc(1)])],
    ["a keepalive that is too short", (messages[1]?.payload ?? Buffer.alloc(0)).subarray(0, 17)],
    ["a header that is too short", (messages[0]?.payload ?? Buffer.alloc(0)).subarray(0, 24)],
    ["nothing at all", Buffer.alloc(0)],
  ])("%s is refused", (_what, payload) => {
    expect(() => decode([payload], [7])).toThrow(expect.objectContaining({ code: "SERVER_PROTOCOL" }));
  });
});

test("a status update has the form of the manual: r, three positions, the time since 2000, the wish for a reply", () => {
  const status = { write: lsn(3n), flush: lsn(2n), apply: lsn(1n) };
  const message = encodeStandbyStatus(status, Date.UTC(2000, 0, 1, 0, 0, 1), true);
  expect(message.toString("hex")).toBe(
    ["64", "00000026", "72", "0000000000000003", "0000000000000002", "0000000000000001", "00000000000f4240", "01"].join(""),
  );
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  attachSegment,
  checkDelta,
  createSegment,
  decodeDelta,
  encodeDelta,
  LAYOUT_VERSION,
  openStateReader,
  openStateWriter,
  planSegment,
  receiverOwns,
  serverFields,
  stateErrors,
  type ServerState,
} from "../../../src/state/index.ts";
import { jobFields, configurationFields, serverConfigurationFields } from "../../../src/state/layout.ts";

const arbitraryServer = fc.record<Partial<ServerState>>(
  {
    receiver: fc.constantFrom(...serverFields.receiver.words),
    process: fc.constantFrom(...serverFields.process.words),
    slot: fc.constantFrom(...serverFields.slot.words),
    connected: fc.boolean(),
    timeline: fc.nat(),
    writeLsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    flushLsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    lastMessageTime: fc.maxSafeNat(),
    walBytes: fc.maxSafeNat(),
    error: fc.string({ maxLength: 47 }).map((text) => text.replaceAll(/[^ -~]/g, "")),
  },
  { requiredKeys: [] },
);

describe("a record of the state segment", () => {
  it("gives back what was written, field by field, and leaves its neighbours alone", () => {
    fc.assert(
      fc.property(fc.array(arbitraryServer, { maxLength: 8 }), (updates) => {
        const segment = createSegment({ servers: 3, jobs: 2 });
        const writer = openStateWriter(segment);
        const reader = openStateReader(segment);
        const [before, after, job] = [reader.server(0), reader.server(2), reader.job(0)];
        let expected = reader.server(1);
        for (const update of updates) {
          writer.server(1).set(update);
          expected = { ...expected, ...update };
        }
        expect(reader.server(1)).toEqual(expected);
        expect(reader.server(0)).toEqual(before);
        expect(reader.server(2)).toEqual(after);
        expect(reader.job(0)).toEqual(job);
      }),
    );
  });

  it("reaches the other side of a process boundary through JSON unchanged, as a whole or as differences", () => {
    fc.assert(
      fc.property(arbitraryServer, arbitraryServer, (first, second) => {
        const [source, target] = [createSegment({ servers: 1, jobs: 0 }), createSegment({ servers: 1, jobs: 0 })];
        const from = openStateWriter(source).server(0);
        const to = openStateWriter(target).server(0);
        let sent: ServerState | undefined;
        for (const update of [first, second]) {
          from.set(update);
          const delta = encodeDelta(serverFields, sent, from.read());
          sent = from.read();
          if (delta !== undefined) to.set(decodeDelta(serverFields, JSON.parse(JSON.stringify(delta)) as typeof delta));
          expect(to.read()).toEqual(from.read());
        }
        expect(encodeDelta(serverFields, sent, from.read())).toBeUndefined();
      }),
    );
  });

  it("cuts a text that is too long at a whole character", () => {
    const writer = openStateWriter(createSegment({ servers: 0, jobs: 1 })).job(0);
    writer.set({ phase: "€".repeat(40) });
    expect(writer.read().phase).toBe("€".repeat(21));
  });

  it("refuses a value that does not fit and then changes nothing", () => {
    const writer = openStateWriter(createSegment({ servers: 1, jobs: 0 })).server(0);
    const before = writer.read();
    const bad: Partial<Record<keyof ServerState, unknown>>[] = [
      { timeline: 7, gaps: -1 },
      { timeline: 7, walBytes: 1.5 },
      { timeline: 7, walBytes: 2 ** 53 },
      { timeline: 7, writeLsn: 12 },
      { timeline: 7, writeLsn: 1n << 64n },
      { timeline: 7, receiver: "dreaming" },
      { timeline: 7, connected: 1 },
      { timeline: 7, unknown: 1 } as never,
    ];
    for (const values of bad) {
      expect(() => writer.set(values as Partial<ServerState>), JSON.stringify(Object.keys(values))).toThrow(
        expect.objectContaining({ code: "STATE_VALUE" }),
      );
    }
    expect(writer.read()).toEqual(before);
  });

  it("refuses a delta with unknown fields or malformed positions", () => {
    for (const delta of [
      { toString: "x" },
      { nothing: 1 },
      { writeLsn: 5 },
      { writeLsn: "-5" },
      { writeLsn: "9".repeat(21) },
    ]) {
      expect(() => decodeDelta(serverFields, delta as never)).toThrow(expect.objectContaining({ code: "STATE_VALUE" }));
    }
  });

  it("refuses a delta with values that do not fit, or with fields of the other side", () => {
    const values = { receiver: "streaming", writeLsn: "5", timeline: 1, connected: true, error: "X" };
    expect(() => checkDelta(serverFields, values, receiverOwns)).not.toThrow();
    for (const delta of [
      { receiver: "dreaming" },
      { writeLsn: "18446744073709551616" },
      { timeline: 1.5 },
      { timeline: "1" },
      { connected: 1 },
      { process: "running" },
    ]) {
      expect(() => checkDelta(serverFields, { ...values, ...delta }, receiverOwns), JSON.stringify(delta)).toThrow(
        expect.objectContaining({ code: "STATE_VALUE" }),
      );
    }
  });

  it("refuses a place outside the segment", () => {
    const segment = createSegment({ servers: 1, jobs: 1 });
    for (const index of [-1, 1, 0.5]) {
      expect(() => openStateReader(segment).server(index)).toThrow(expect.objectContaining({ code: "STATE_VALUE" }));
      expect(() => openStateWriter(segment).job(index)).toThrow(expect.objectContaining({ code: "STATE_VALUE" }));
    }
  });

  it("tells its listener only of fields that really changed", () => {
    const heard: string[][] = [];
    const writer = openStateWriter(createSegment({ servers: 1, jobs: 0 })).server(0, (names) => heard.push([...names]));
    writer.set({ receiver: "streaming", timeline: 1 });
    writer.set({ receiver: "streaming", timeline: 1 });
    writer.set({ receiver: "streaming", timeline: 2 });
    writer.add("gaps", 1);
    expect(heard).toEqual([["receiver", "timeline"], ["timeline"], ["gaps"]]);
  });
});

describe("the layout", () => {
  it("is the one of its version: whoever changes a table raises LAYOUT_VERSION and this list", () => {
    const names = (table: object): string =>
      Object.entries(table)
        .map(([name, field]) => `${name}:${JSON.stringify(field)}`)
        .join();
    const all = [configurationFields, serverConfigurationFields, serverFields, jobFields].map(names).join("|");
    let hash = 0xcbf29ce484222325n;
    for (const character of all)
      hash = BigInt.asUintN(64, (hash ^ BigInt(character.codePointAt(0) ?? 0)) * 0x100000001b3n);
    expect({
      version: LAYOUT_VERSION,
      bytes: planSegment({ servers: 2, jobs: 3 }).bytes,
      hash: hash.toString(16),
    }).toEqual({
      version: 6n,
      bytes: 1304,
      hash: "20f2e19b5d788ba0",
    });
  });

  it("is checked when a segment of another thread is taken over", () => {
    const segment = createSegment({ servers: 2, jobs: 3 });
    openStateWriter(segment).server(1).set({ timeline: 9 });
    expect(openStateReader(attachSegment(segment.buffer)).server(1).timeline).toBe(9);
    const foreign = new SharedArrayBuffer(64);
    expect(() => attachSegment(foreign)).toThrow(expect.objectContaining({ code: "STATE_LAYOUT" }));
    segment.cells[2] = 5n;
    expect(() => attachSegment(segment.buffer)).toThrow(/5|bytes/);
    segment.cells[1] = LAYOUT_VERSION + 1n;
    expect(() => attachSegment(segment.buffer)).toThrow(/layout/);
  });

  it("reports a writer that died in the middle of a write instead of returning half a record", () => {
    const segment = createSegment({ servers: 1, jobs: 0 });
    Atomics.add(segment.cells, segment.plan.server(0), 1n);
    expect(() => openStateReader(segment).server(0)).toThrow(
      expect.objectContaining({ code: stateErrors.torn.spec.code }),
    );
  });
});

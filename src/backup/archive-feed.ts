/**
 * The archives of a base backup into tar readers: straight from the socket, or, when the server compresses, through
 * a decoder with a bounded queue. Pieces of the socket live only during the call, so the queue keeps copies.
 */
import { commonErrors, createGate } from "../common/index.ts";
import { createDecoder } from "../compression/index.ts";
import type { TarReader } from "../tar/index.ts";
import type { Pressure } from "./back-pressure.ts";
import type { ServerCompression } from "./backup-options.ts";

export interface ArchiveFeed {
  begin(reader: TarReader): void;
  write(piece: Buffer): void;
  end(): void;
  /** After the last `end`: resolves when everything written was read; rejects with the first error. */
  settled(): Promise<void>;
  /** A promise while the queue is full. */
  readonly pressure: Pressure;
  /** Aborted with the first error as reason: time to stop the source. */
  readonly signal: AbortSignal;
  /** Gives up what was not read; nothing runs any more when it settles. */
  abort(): Promise<void>;
}

/** A feed for archives compressed by `method`, or as they are. `room`: a promise while no further decoded piece should come. */
export function createArchiveFeed(method: ServerCompression["method"] | undefined, room: Pressure): ArchiveFeed {
  return method === undefined ? createPlainFeed() : createCompressedFeed(method, room);
}

function createPlainFeed(): ArchiveFeed {
  let reader: TarReader | undefined;
  return {
    begin(next) {
      reader = next;
    },
    write(piece) {
      reader?.write(piece);
    },
    end() {
      reader?.finish();
      reader = undefined;
    },
    settled: () => Promise.resolve(),
    pressure: () => undefined,
    // What a reader throws goes to whoever called `write`.
    signal: new AbortController().signal,
    abort: () => Promise.resolve(),
  };
}

type Item =
  | { readonly kind: "archive"; readonly reader: TarReader }
  | { readonly kind: "piece"; readonly bytes: Buffer }
  | { readonly kind: "end" };

/** Bytes of all archives together that may wait for the decoder. */
const queueBytes = 4 * 1024 * 1024;
/** What a piece costs besides its bytes. */
const pieceCharge = 256;

/** One archive is decoded after the other, in the background. */
function createCompressedFeed(method: ServerCompression["method"], room: Pressure): ArchiveFeed {
  const decoder = createDecoder(method);
  const items: Item[] = [];
  const arrival = createGate();
  const relief = createGate();
  const stop = new AbortController();
  let queued = 0;
  let complete = false;

  const put = (item: Item): void => {
    if (stop.signal.aborted) return;
    items.push(item);
    arrival.open();
  };

  /** The next item in order; undefined behind the last one. */
  const take = async (): Promise<Item | undefined> => {
    for (;;) {
      if (stop.signal.aborted) throw stop.signal.reason;
      const item = items.shift();
      if (item !== undefined) return item;
      if (complete) return undefined;
      await arrival.wait();
    }
  };

  async function* piecesOfArchive(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const item = await take();
      if (item?.kind !== "piece") return;
      queued -= item.bytes.length + pieceCharge;
      if (queued < queueBytes / 2) relief.open();
      yield item.bytes;
    }
  }

  const readAll = async (): Promise<void> => {
    for (let item = await take(); item !== undefined; item = await take()) {
      if (item.kind !== "archive") continue;
      for await (const plain of decoder.decode(piecesOfArchive())) {
        item.reader.write(plain);
        const wait = room();
        if (wait !== undefined) await wait;
      }
      item.reader.finish();
    }
  };

  const reading = readAll().catch((error: unknown) => {
    if (!stop.signal.aborted) stop.abort(error);
    relief.open();
    throw error;
  });
  // `settled` tells; until somebody asks, the signal does.
  reading.catch(() => undefined);

  return {
    begin(reader) {
      put({ kind: "archive", reader });
    },
    write(piece) {
      queued += piece.length + pieceCharge;
      put({ kind: "piece", bytes: Buffer.from(piece) });
    },
    end() {
      put({ kind: "end" });
    },
    async settled() {
      complete = true;
      arrival.open();
      await reading;
    },
    pressure: () => (queued < queueBytes || stop.signal.aborted ? undefined : relief.wait()),
    signal: stop.signal,
    async abort() {
      if (!stop.signal.aborted) stop.abort(commonErrors.aborted("the base backup was given up"));
      arrival.open();
      await reading.catch(() => undefined);
    },
  };
}

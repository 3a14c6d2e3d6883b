/**
 * Up to which moment the stream is proven to be complete: `wal_coverage.json`. Of a server that writes nothing the WAL
 * alone does not tell whether it ends because nothing more happened or because nothing more was received.
 */
import type { Lsn, TimelineId } from "../postgres/index.ts";
import { formatLsn, parseLsn, timelineId } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { isMoment, isText, isUint32 } from "./json-shape.ts";
import { serverLayout, type ServerLayout } from "./layout.ts";

/** Everything that the server had flushed at `serverTime` lies before `lsn`, and is durable here. */
export interface WalCoverage {
  readonly timeline: TimelineId;
  readonly lsn: Lsn;
  /** By the clock of the server, milliseconds since 1970. */
  readonly serverTime: number;
}

export interface WalCoverageStore {
  /** Undefined when nothing is proven; what cannot be read proves nothing. */
  read(): Promise<WalCoverage | undefined>;
  /** Replaces it in one step; a power cut may bring an earlier one back, which proves less. One writer a server. */
  write(coverage: WalCoverage): Promise<void>;
}

const largestFile = 4096;

export function openWalCoverage(storage: Storage, of: string | ServerLayout): WalCoverageStore {
  const path = (typeof of === "string" ? serverLayout(of) : of).walCoverage;
  return {
    async read() {
      const facts = await storage.stat(path);
      if (facts?.kind !== "file" || facts.size > largestFile) return undefined;
      const document = parseChecked((await storage.readFile(path, largestFile)).toString("utf8"));
      const { version, timeline, lsn, serverTime } = document ?? {};
      if (version !== 2 || !isUint32(timeline) || timeline === 0 || !isText(lsn) || !isMoment(serverTime)) return undefined;
      if (!/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/.test(lsn)) return undefined;
      return { timeline: timelineId(timeline), lsn: parseLsn(lsn), serverTime };
    },
    async write({ timeline, lsn, serverTime }) {
      const document = { version: 2, timeline, lsn: formatLsn(lsn), serverTime: Math.floor(serverTime) };
      await storage.renewFile(path, `${formatChecked(document)}\n`);
    },
  };
}

/** A repository with WAL of the shape that a test asks for; what the bytes are does not matter to those who judge by names. */
import { lsn, timelineId, type Lsn, type TimelineHistory } from "../../../src/postgres/index.ts";
import { openWalInventory, type WalInventory } from "../../../src/repository/index.ts";
import { eachTestHasARepository, type TestRepository } from "../repository/test-repository.ts";
import { megabyte } from "./segment.ts";

export interface StoredWal extends TestRepository {
  readonly inventory: WalInventory;
  /** Complete raw segments, by number (of 1 MiB). */
  segments(timeline: number, ...numbers: number[]): Promise<void>;
  archived(timeline: number, number: number): Promise<void>;
  /** A partial segment with so many bytes of WAL; `padded`: followed by zeros up to the full length. */
  partial(timeline: number, number: number, bytes: number, padded?: boolean): Promise<void>;
}

export const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, "0");
export const segmentOf = (timeline: number, number: number): string => `${hex(timeline)}${hex(0)}${hex(number)}`;
/** A position: a segment of 1 MiB and bytes within. */
export const at = (number: number, bytes = 0): Lsn => lsn(number * megabyte + bytes);

/** `history(3, [1, x], [2, y])`: timeline 1 was left at x for 2, that at y for 3. */
export function history(timeline: number, ...ancestors: [timeline: number, switchLsn: Lsn][]): TimelineHistory {
  return { timeline: timelineId(timeline), entries: ancestors.map(([id, switchLsn]) => ({ timeline: timelineId(id), switchLsn, reason: "test" })) };
}

export function eachTestHasStoredWal(): StoredWal {
  const repository = eachTestHasARepository();
  const file = (name: string): string => `primary/wal/${name}`;
  return Object.defineProperties(
    {
      async segments(timeline: number, ...numbers: number[]) {
        for (const number of numbers) await repository.put(file(segmentOf(timeline, number)), Buffer.alloc(megabyte, 1));
      },
      archived: (timeline: number, number: number) => repository.put(file(`${segmentOf(timeline, number)}.zstd`), "archived"),
      partial: (timeline: number, number: number, bytes: number, padded = false) =>
        repository.put(file(`${segmentOf(timeline, number)}.partial`), Buffer.concat([Buffer.alloc(bytes, 1), Buffer.alloc(padded ? megabyte - bytes : 0)])),
    } as unknown as StoredWal,
    {
      ...Object.getOwnPropertyDescriptors(repository),
      inventory: { get: () => openWalInventory(repository.storage, "primary", megabyte) },
    },
  );
}

/**
 * The second copy of a server's WAL (`wal_shipping`), as a place to read from: what the repository lacks, or holds damaged,
 * comes from there, and whoever reads is told. It has the paths of a repository below its own root, archived segments only.
 */
import { createHash } from "node:crypto";
import { messageOf, MonetaError } from "../common/index.ts";
import type { TimelineId } from "../postgres/index.ts";
import type { RandomReader, Storage } from "../storage/index.ts";
import { repositoryErrors } from "./errors.ts";
import type { ServerLayout } from "./layout.ts";
import type { WalFile } from "./wal-file.ts";
import { walFileFromName } from "./wal-file.ts";
import type { WalHistories } from "./wal-histories.ts";
import type { OpenSegment, WalLocation, WalLocator } from "./wal-locate.ts";

export interface SecondCopy {
  readonly storage: Storage;
  /** Told of everything that is read from there instead: a segment or history file, and what is wrong with the first copy. */
  readonly taken: (name: string, why: string) => void;
}

const missing = "the repository does not have it";
const pieceSize = 1024 * 1024;

/** What can be seen of a stored file without reading it. */
function wrongSize({ form, record, size }: WalLocation): string | undefined {
  if (form !== "archived" || record === undefined || record.storedSize === size) return undefined;
  return `the repository has ${size} bytes of it instead of ${record.storedSize}`;
}

async function digestOf(reader: RandomReader, algorithm: string): Promise<string> {
  const hash = createHash(algorithm);
  for (let offset = 0; offset < reader.size; offset += pieceSize) {
    hash.update(await reader.read(offset, Math.min(pieceSize, reader.size - offset)));
  }
  return hash.digest("hex");
}

/** Why an opened segment is not what was archived; undefined when it is, or when nothing is recorded of it. */
async function faultOf({ location, reader }: OpenSegment): Promise<string | undefined> {
  const { form, record } = location;
  if (form !== "archived" || record === undefined) return undefined;
  const size = wrongSize(location);
  if (size !== undefined) return size;
  try {
    const found = await digestOf(reader, record.hash);
    return found === record.storedDigest ? undefined : "the repository has it damaged: its digest does not match";
  } catch (error) {
    return `the repository has it damaged: ${messageOf(error)}`;
  }
}

/** A locator that looks into the second copy where the first cannot help. What is wrong with the second is never an error. */
export function locateInBoth(first: WalLocator, second: WalLocator, taken: SecondCopy["taken"]): WalLocator {
  const told = new Set<string>();
  const tell = (segment: string, why: string): void => {
    if (told.has(segment)) return;
    told.add(segment);
    taken(segment, why);
  };

  async function findSecond(segment: string): Promise<WalLocation | undefined> {
    const found = await second.find(segment).catch(() => undefined);
    return found?.form === "archived" && wrongSize(found) === undefined ? found : undefined;
  }

  async function openSecond(segment: string): Promise<OpenSegment | undefined> {
    const opened = await second.open(segment).catch(() => undefined);
    if (opened === undefined) return undefined;
    if (opened.location.form === "archived" && (await faultOf(opened)) === undefined) return opened;
    await opened.reader.close();
    return undefined;
  }

  return {
    async find(segment) {
      const found = await first.find(segment);
      if (found !== undefined && wrongSize(found) === undefined) return found;
      return (await findSecond(segment)) ?? found;
    },
    async open(segment) {
      const opened = await first.open(segment);
      const why = opened === undefined ? missing : await faultOf(opened);
      if (why === undefined) return opened;
      const other = await openSecond(segment);
      if (other === undefined) return opened;
      await opened?.reader.close();
      tell(segment, why);
      return other;
    },
  };
}

/** History files, from the second copy where the first has none, or one that was changed. */
export function historiesOfBoth(first: WalHistories, second: WalHistories, taken: SecondCopy["taken"]): WalHistories {
  /** Undefined, or an error, of the first is what counts when the second cannot help. */
  async function either<T>(timeline: TimelineId, read: (from: WalHistories) => Promise<T | undefined>): Promise<T | undefined> {
    let failure: MonetaError | undefined;
    try {
      const found = await read(first);
      if (found !== undefined) return found;
    } catch (error) {
      if (!(error instanceof MonetaError) || !repositoryErrors.historyUnreadable.is(error)) throw error;
      failure = error;
    }
    const other = await read(second).catch(() => undefined);
    if (other === undefined && failure !== undefined) throw failure;
    if (other !== undefined) taken(`the history of timeline ${timeline}`, failure === undefined ? missing : failure.message);
    return other;
  }
  return {
    ...first,
    content: (timeline) => either(timeline, (from) => from.content(timeline)),
    read: (timeline) => either(timeline, (from) => from.read(timeline)),
    list: async () => [...new Set([...(await first.list()), ...(await second.list().catch(() => []))])].sort((a, b) => a - b),
  };
}

/** The archived segments of the second copy; none when it cannot be looked at. */
export async function* filesOfSecond({ storage }: SecondCopy, layout: ServerLayout): AsyncGenerator<WalFile> {
  try {
    for await (const { name, kind } of storage.entries(layout.wal)) {
      const file = kind === "file" ? walFileFromName(name) : undefined;
      if (file?.form === "archived") yield file;
    }
  } catch (error) {
    if (!(error instanceof MonetaError)) throw error;
  }
}

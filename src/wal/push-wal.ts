/**
 * `archive_command`: one file of PostgreSQL's pg_wal is taken into the repository, beside the stream or instead of it. When
 * this resolves the file is durable there in its final form, or was before; what is stored under its name with other content
 * is never touched. Whoever receives or archives the same segment at the same moment comes before or after, never between.
 */
import { messageOf, throwIfAborted } from "../common/index.ts";
import { classifyWalFile, parseSegmentName, parseWalPageHeader, walPageHeaderSize, type WalPageHeader } from "../postgres/index.ts";
import {
  identityOfStoredWal,
  openServerIdentity,
  openWalInventory,
  openWalPushes,
  requireNoLineageChange,
  serverLayout,
  type ServerIdentity,
} from "../repository/index.ts";
import type { DurableSink } from "../storage/index.ts";
import { walErrors } from "./errors.ts";
import type { PushedWal, Pushing, WalPush, WalPushDependencies } from "./push-options.ts";
import { pushPartial } from "./push-partial.ts";
import { pushSegment } from "./push-segment.ts";
import { pushHistory, pushNote } from "./push-small-file.ts";

/** Bytes of a file that is no segment: history files have a line a promotion. */
const largestSmallFile = 1024 * 1024;
/** The largest segment that PostgreSQL can be built with. */
const largestSegment = 1024 * 1024 * 1024;

/**
 * Takes one file. Throws WAL_PUSH_REFUSED for what is no file of pg_wal, LINEAGE_CHANGE_UNFINISHED, WAL_OTHER_CLUSTER, WAL_SEGMENT_CONFLICT (noted, so
 * that a daemon tells of it), and what the storage, the keys and the archiving of a segment throw.
 */
export async function pushWal(push: WalPush, deps: WalPushDependencies): Promise<PushedWal> {
  const { clock, signal } = deps;
  const { name, server, storage } = push;
  throwIfAborted(signal);
  const file = classifyWalFile(name);
  if (file.kind === "other") throw walErrors.pushRefused(`"${name}" is no file of PostgreSQL's WAL`, { name });
  // Before anything is made: a directory of this name must not stand in the way of what is to come back.
  await requireNoLineageChange(storage, server);
  const pushing: Pushing = { ...push, ...deps, pushes: openWalPushes(storage, server) };
  try {
    if (file.kind === "history") return await noted(pushing, await pushHistory(pushing, file.timeline, await readSmall(push)));
    if (file.kind === "backup-history") return await noted(pushing, await pushNote(pushing, await readSmall(push)));
    return await pushLarge(pushing, file.kind);
  } catch (error) {
    if (walErrors.segmentConflict.is(error)) await pushing.pushes.refused({ name, at: clock.now(), message: messageOf(error) });
    throw error;
  }
}

async function noted({ clock, name, pushes }: Pushing, outcome: PushedWal): Promise<PushedWal> {
  await pushes.taken(name, clock.now(), undefined);
  return outcome;
}

async function readSmall({ name, content }: WalPush): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of content) {
    size += piece.length;
    if (size > largestSmallFile) throw walErrors.pushRefused(`"${name}" has more than ${largestSmallFile} bytes`, { name });
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** A segment, or the one that a promotion left unfinished: into a file that nobody sees yet, before anybody is held up. */
async function pushLarge(pushing: Pushing, kind: "segment" | "partial"): Promise<PushedWal> {
  const { name, server, storage } = pushing;
  const layout = serverLayout(server);
  const sink = await storage.createFile(layout.walFile(name));
  try {
    const { first, size } = await spool(pushing, sink);
    const identity = await requireIdentity(pushing, first);
    if (size !== identity.segmentSize)
      throw walErrors.pushRefused(`"${name}" has ${size} bytes, a segment of its cluster has ${identity.segmentSize}`, { name, size });
    const inventory = openWalInventory(storage, server, identity.segmentSize);
    // The archiver, and whoever else pushes, works in this directory too.
    return await storage.exclusively(layout.walIndex, () =>
      kind === "segment" ? pushSegment(pushing, inventory, sink) : pushPartial(pushing, inventory, identity, sink),
    );
  } finally {
    // What has its name by now stays; what is left otherwise is recognised by its name.
    await sink.abort().catch(() => undefined);
  }
}

async function spool({ name, content, signal }: Pushing, sink: DurableSink): Promise<{ readonly first: Buffer; readonly size: number }> {
  let first: Buffer = Buffer.alloc(0);
  let size = 0;
  for await (const piece of content) {
    throwIfAborted(signal);
    if (first.length < walPageHeaderSize) first = Buffer.concat([first, piece.subarray(0, walPageHeaderSize - first.length)]);
    size += piece.length;
    if (size > largestSegment) throw walErrors.pushRefused(`"${name}" has more than ${largestSegment} bytes`, { name });
    await sink.write(piece);
  }
  await sink.close();
  return { first, size };
}

/** The cluster that the segment says it is of must be the one whose WAL is stored here. */
async function requireIdentity(pushing: Pushing, firstPage: Buffer): Promise<ServerIdentity> {
  const { name, server, storage } = pushing;
  const found = identityIn(name, firstPage);
  await requireNoLineageChange(storage, server);
  const store = openServerIdentity(storage, server);
  const known = (await store.read()) ?? (await identityOfStoredWal(storage, server));
  if (known !== undefined) refuseOther(pushing, known, found);
  else {
    await storage.exclusively(serverLayout(server).directory, async () => {
      const meanwhile = await store.read();
      if (meanwhile === undefined) await store.write(found);
      else refuseOther(pushing, meanwhile, found);
    });
  }
  return found;
}

function identityIn(name: string, firstPage: Buffer): ServerIdentity {
  let header: WalPageHeader;
  try {
    header = parseWalPageHeader(firstPage);
  } catch (error) {
    throw walErrors.pushRefused(`"${name}" does not begin as a WAL segment does: ${messageOf(error)}`, { name }, error);
  }
  const { pageAddress, segmentSize, systemIdentifier, timeline } = header;
  const segment = name.slice(0, 24);
  const refuse = (why: string) => walErrors.pushRefused(`"${name}" is not that segment: ${why}`, { name });
  if (systemIdentifier === undefined || segmentSize === undefined) throw refuse("its first page does not say whose it is");
  const own = parseSegmentName(segment, segmentSize);
  if (own.start !== pageAddress) throw refuse("its first page belongs to another position");
  // The beginning of a timeline's first segment is a copy of its parent's.
  if (timeline > own.timeline) throw refuse(`its first page belongs to timeline ${timeline}`);
  return { systemIdentifier, segmentSize };
}

function refuseOther({ name, server }: Pushing, known: ServerIdentity, found: ServerIdentity): void {
  if (known.systemIdentifier === found.systemIdentifier && known.segmentSize === found.segmentSize) return;
  throw walErrors.otherCluster(
    `"${name}" is of cluster ${found.systemIdentifier} with segments of ${found.segmentSize} bytes; the WAL stored for "${server}" belongs to ${known.systemIdentifier} with ${known.segmentSize}`,
    { server, known: known.systemIdentifier, found: found.systemIdentifier },
  );
}

/**
 * The clusters that a server was, one after the other: pg_upgrade, initdb or another machine give it another system
 * identifier, and timelines and positions begin again. The WAL of the present one lies where pgmoneta has it; that of each
 * earlier one, with everything that is known of it, below `lineages/<system identifier>`. Backups lie side by side: each says
 * which cluster it is of.
 */
import { isSegmentSize } from "../postgres/index.ts";
import { nameState, type Storage } from "../storage/index.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { repositoryErrors } from "./errors.ts";
import { isText } from "./json-shape.ts";
import { serverLayout, type ServerLayout } from "./layout.ts";
import { openServerIdentity, type ServerIdentity } from "./server-identity.ts";

/** A change that has begun: first the WAL that is there goes aside, then that of the next cluster comes back if there is some. */
interface LineageChange {
  readonly from: string;
  readonly to: ServerIdentity;
  readonly step: "aside" | "back";
}

const largestFile = 64 * 1024;
const isIdentifier = (text: unknown): text is string => isText(text) && /^[0-9]{1,20}$/.test(text);

/** What belongs to a lineage, the largest first: where it cannot be moved nothing has been. */
const partsOf = ({ wal, walIndex, walGaps, walPruned, walCoverage, identity }: ServerLayout): string[] => [
  wal,
  walIndex,
  walGaps,
  walPruned,
  walCoverage,
  identity,
];

/** System identifiers of the earlier clusters of a server, in no order that means anything. */
export async function formerLineages(storage: Storage, server: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, kind } of storage.entries(serverLayout(server).lineages)) {
    if (kind === "directory" && isIdentifier(name)) found.push(name);
  }
  return found.sort();
}

/**
 * Where the WAL of a cluster lies: that of an earlier one of `server`, else the server's own place, whose segments say
 * themselves whose they are. Throws LINEAGE_CHANGE_UNFINISHED.
 */
export async function layoutOfLineage(storage: Storage, server: string, systemIdentifier: string): Promise<ServerLayout> {
  const present = serverLayout(server);
  await requireNoLineageChange(storage, server);
  if (!isIdentifier(systemIdentifier)) return present;
  const former = serverLayout(server, systemIdentifier);
  return (await storage.stat(former.place))?.kind === "directory" ? former : present;
}

/** While the server's WAL is put aside for that of another cluster nothing is added to either. Throws LINEAGE_CHANGE_UNFINISHED. */
export async function requireNoLineageChange(storage: Storage, server: string): Promise<void> {
  const layout = serverLayout(server);
  if ((await storage.stat(layout.lineageChange)) !== undefined) throw unfinished(layout);
}

/**
 * Makes `to` the present cluster of a server: the WAL of `from` goes to its own place, and what there is of `to` from an
 * earlier time comes back. Only while nobody reads or writes WAL of the server. What a crash interrupts is finished by
 * `finishLineageChange`; a change that could not begin has changed nothing.
 */
export async function changeLineage(storage: Storage, server: string, from: string, to: ServerIdentity): Promise<void> {
  const layout = serverLayout(server);
  if (!isIdentifier(from) || !isIdentifier(to.systemIdentifier) || from === to.systemIdentifier) {
    throw repositoryErrors.nameRefused(`cluster ${to.systemIdentifier} cannot follow cluster ${from}`);
  }
  await noteChange(storage, layout, { from, to, step: "aside" });
  try {
    await storage.move(layout.wal, serverLayout(server, from).wal);
  } catch (error) {
    await storage.removeFile(layout.lineageChange);
    throw error;
  }
  await finishLineageChange(storage, server);
}

/** Goes on with a change that was interrupted. False when there is none. Nobody else may work with WAL of the server. */
export async function finishLineageChange(storage: Storage, server: string): Promise<boolean> {
  const layout = serverLayout(server);
  const change = await readChange(storage, layout);
  if (change === undefined) return false;
  const { from, to, step } = change;
  if (step === "aside") {
    await moveParts(storage, layout, serverLayout(server, from));
    await noteChange(storage, layout, { ...change, step: "back" });
  }
  const returning = serverLayout(server, to.systemIdentifier);
  await moveParts(storage, returning, layout);
  await storage.removeTree(returning.place);
  await openServerIdentity(storage, layout).write(to);
  await storage.makeDirectory(layout.wal);
  await storage.removeFile(layout.lineageChange);
  return true;
}

async function moveParts(storage: Storage, from: ServerLayout, to: ServerLayout): Promise<void> {
  const targets = partsOf(to);
  for (const [index, part] of partsOf(from).entries()) {
    const target = targets[index] ?? part;
    await removeEmptyOne(storage, part, target);
    await storage.move(part, target);
  }
}

/**
 * What has moved before the change was cut off may have been made anew since, empty, by somebody who was refused after that:
 * of two directories of which one has nothing in it but what nobody finished, that one goes.
 */
async function removeEmptyOne(storage: Storage, part: string, target: string): Promise<void> {
  for (const place of [part, target]) if ((await storage.stat(place))?.kind !== "directory") return;
  for (const place of [part, target]) {
    if (await hasContent(storage, place)) continue;
    await storage.removeTree(place);
    return;
  }
}

async function hasContent(storage: Storage, directory: string): Promise<boolean> {
  for await (const { name } of storage.entries(directory)) if (nameState(name).state === "visible") return true;
  return false;
}

function noteChange(storage: Storage, { lineageChange }: ServerLayout, { from, to, step }: LineageChange): Promise<void> {
  return storage.replaceFile(lineageChange, `${formatChecked({ version: 1, from, to: to.systemIdentifier, segmentSize: to.segmentSize, step })}\n`);
}

async function readChange(storage: Storage, layout: ServerLayout): Promise<LineageChange | undefined> {
  const facts = await storage.stat(layout.lineageChange);
  if (facts === undefined) return undefined;
  const text = facts.size > largestFile ? "" : (await storage.readFile(layout.lineageChange, largestFile)).toString("utf8");
  const { version, from, to, segmentSize, step } = parseChecked(text) ?? {};
  const sound = version === 1 && isIdentifier(from) && isIdentifier(to) && typeof segmentSize === "number" && isSegmentSize(segmentSize);
  if (!sound || (step !== "aside" && step !== "back")) throw unfinished(layout, ", and the file that says how far it came cannot be read");
  return { from, to: { systemIdentifier: to, segmentSize }, step };
}

function unfinished({ server, lineageChange }: ServerLayout, more = "") {
  return repositoryErrors.lineageUnfinished(`the change of "${server}" to another cluster is not finished ("${lineageChange}")${more}`, {
    server,
    path: lineageChange,
  });
}

/** Where the second copy of a server's WAL was begun: `wal_second.json`. */
import type { Storage } from "../storage/index.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { isText } from "./json-shape.ts";
import { serverLayout } from "./layout.ts";

const largestNote = 64 * 1024;

/** The directory; undefined when none was begun, or when the note cannot be read: it only keeps from harm. */
export async function readSecondCopyNote(storage: Storage, server: string): Promise<string | undefined> {
  const path = serverLayout(server).walSecond;
  const facts = await storage.stat(path);
  if (facts === undefined || facts.size > largestNote) return undefined;
  const { version, directory } = parseChecked((await storage.readFile(path, largestNote)).toString("utf8")) ?? {};
  return version === 1 && isText(directory) ? directory : undefined;
}

/** Notes it durably, if it is another one than before. */
export async function writeSecondCopyNote(storage: Storage, server: string, directory: string): Promise<void> {
  if ((await readSecondCopyNote(storage, server)) === directory) return;
  await storage.replaceFile(serverLayout(server).walSecond, `${formatChecked({ version: 1, directory })}\n`);
}

/**
 * The symbolic links with which pgmoneta replaces files that did not change: absolute paths into an earlier backup, or into
 * one that has a link itself. They are read by their ends, so that a repository may lie at another place than it was written at.
 */
import { MonetaError } from "../common/index.ts";
import type { EntryKind, Storage } from "../storage/index.ts";
import { repositoryErrors } from "./errors.ts";
import { isLabel, type ServerLayout } from "./layout.ts";

/** Where a link ends. */
export interface LinkEnd {
  /** In the repository. */
  readonly location: string;
  /** Label of the backup that holds the file. */
  readonly owner: string;
  /** Labels of the backups that the way leads into, `owner` last. */
  readonly way: readonly string[];
}

/**
 * Follows the link at `path` of the backup `label`. Throws BACKUP_DAMAGED for one that leads elsewhere, or nowhere. A link that
 * gave way to its file meanwhile (`takeOverLinks`) ends in itself.
 */
export type FollowLink = (label: string, path: string) => Promise<LinkEnd>;

/** More links behind one another than backups could make. */
const longestChain = 10_000;
/** Links are followed directory by directory, and each of them leads into few others. */
const rememberedDirectories = 16;

/** Why a backup of pgmoneta's cannot be used. */
export const foreignDamage = ({ server }: ServerLayout, label: string, why: string) =>
  repositoryErrors.backupDamaged(`backup ${label} of ${server}, which pgmoneta took, cannot be used: ${why}`, {
    server,
    label,
  });

export function createLinkFollower(storage: Storage, layout: ServerLayout): FollowLink {
  const known = new Map<string, ReadonlyMap<string, EntryKind>>();

  async function kindsIn(directory: string): Promise<ReadonlyMap<string, EntryKind>> {
    const before = known.get(directory);
    if (before !== undefined) return before;
    const kinds = new Map((await storage.list(directory)).map(({ name, kind }) => [name, kind]));
    const [oldest] = known.keys();
    if (known.size >= rememberedDirectories && oldest !== undefined) known.delete(oldest);
    known.set(directory, kinds);
    return kinds;
  }

  async function walk(from: string, path: string): Promise<LinkEnd> {
    const way: string[] = [];
    let [label, relative] = [from, path];
    for (let links = 0; links < longestChain; links += 1) {
      const target = await storage.readLink(layout.backupFile(label, relative));
      const match = /^(?:.*\/)?([^/]+)\/backup\/([0-9]{14})\/([^]+)$/.exec(target);
      const [, server = "", next = "", rest = ""] = match ?? [];
      if (match === null || server !== layout.server || !isLabel(next) || rest.split("/").includes("..")) {
        const why = `${path} is a link to "${target}", which is no file of another backup of ${layout.server}`;
        throw foreignDamage(layout, from, why);
      }
      [label, relative] = [next, rest];
      way.push(label);
      const slash = relative.lastIndexOf("/");
      const directory = layout.backupFile(label, relative).slice(0, -(relative.length - slash));
      const kind = (await kindsIn(directory)).get(relative.slice(slash + 1));
      if (kind === undefined)
        throw foreignDamage(layout, from, `${path} is a link to "${target}", which is not there any more`);
      if (kind !== "symlink") return { location: layout.backupFile(label, relative), owner: label, way };
    }
    throw foreignDamage(layout, from, `the links behind ${path} have no end`);
  }

  async function isLinkStill(from: string, path: string): Promise<boolean> {
    try {
      await storage.readLink(layout.backupFile(from, path));
      return true;
    } catch (error) {
      if (error instanceof MonetaError && error.details["system"] === "EINVAL") return false;
      throw error;
    }
  }

  return async (from, path) => {
    try {
      return await walk(from, path);
    } catch (error) {
      if (!(await isLinkStill(from, path))) return { location: layout.backupFile(from, path), owner: from, way: [from] };
      if (known.size === 0) throw error;
      // What was looked at before may be another thing by now.
      known.clear();
      return walk(from, path);
    }
  };
}

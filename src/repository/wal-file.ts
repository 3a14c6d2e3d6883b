/** Files of the WAL directory: what their names with all suffixes say. */
import { compressionMethods, compressionSuffix } from "../compression/index.ts";
import { specFromName } from "../pipeline/index.ts";
import { classifyWalFile } from "../postgres/index.ts";

/**
 * The lives of a segment, in this order: `partial` while it is received, `raw` when it is complete, `archived` when it
 * went through the pipeline. Each form is durable before the one before it goes.
 */
export type WalForm = "partial" | "raw" | "archived";

/** Encrypted files have this after the suffix of their compression. */
const encrypted = ".aes";

/** What an archived segment can have after its name. */
export const archivedSuffixes: readonly string[] = compressionMethods
  .flatMap((method) => [compressionSuffix[method], compressionSuffix[method] + encrypted])
  .filter((suffix) => suffix !== "");

/** A file of the WAL directory that holds WAL. */
export interface WalFile {
  /** Name of the segment. */
  readonly segment: string;
  readonly form: WalForm;
  /** After the name of the segment: empty, `.partial`, that of the pipeline, or both. */
  readonly suffix: string;
}

/** What the file called `name` is; undefined for what holds no WAL (history files, unfinished files, strangers). */
export function walFileFromName(name: string): WalFile | undefined {
  const { plainName } = specFromName(name);
  const file = classifyWalFile(plainName);
  const suffix = name.slice(plainName.length);
  if (file.kind === "segment") return { segment: plainName, form: suffix === "" ? "raw" : "archived", suffix };
  // Of an earlier cluster also in the form that archived segments have; a record says then how much there is of it.
  if (file.kind === "partial") return { segment: file.base, form: "partial", suffix: `.partial${suffix}` };
  return undefined;
}

/** Writes a support bundle: one tar archive, compressed with gzip, that only its owner can read. */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { commonErrors, createOutputFile, messageOf, type OutputFile } from "../common/index.ts";
import { pathToBytes } from "../postgres/index.ts";
import { tarEnd, tarHeader, tarPadding, type TarOwner } from "../tar/index.ts";
import { diagnoseErrors } from "./errors.ts";
import type { BundlePart } from "./part.ts";
import { bundleReadme, type BundleOrigin } from "./readme.ts";
import { redactPart, type BundleRedactor } from "./redact-bundle.ts";

export interface WrittenBundle {
  readonly path: string;
  /** Bytes of the file. */
  readonly bytes: number;
  /** In it, the README included. */
  readonly files: number;
  /** Names of the parts that are not, with the reason. */
  readonly missing: readonly { readonly name: string; readonly reason: string }[];
  /** Paths of what others had left in that directory who were killed while they wrote theirs; removed. */
  readonly abandoned: readonly string[];
}

/** Nobody's files: whoever unpacks it gets them, unless that is root. */
const owner: TarOwner = { uid: 65_534, gid: 65_534, user: "nobody", group: "nogroup" };

/** The same for every bundle, because each has a name of its own: what a kill left goes with the next one in that directory. */
const unfinishedName = "moneta-diagnose";

const compress = promisify(gzip);

/** Everything below one directory, as an archive that is taken for well behaved unpacks. */
function archiveOf(directory: string, files: readonly (readonly [name: string, text: string])[], made: number): Buffer {
  const modified = Math.floor(made / 1000);
  const pieces = files.flatMap(([name, text]) => {
    const body = Buffer.from(text);
    const header = tarHeader({ path: pathToBytes(`${directory}/${name}`), kind: "file", mode: 0o600, size: body.length, modified, owner });
    return [header, body, tarPadding(body.length)];
  });
  const root = tarHeader({ path: pathToBytes(directory), kind: "directory", mode: 0o700, size: 0, modified, owner });
  return Buffer.concat([root, ...pieces, tarEnd()]);
}

/** Name of the directory in the archive, and of its file without `.tar.gz`: `moneta-diagnose-20261130T142000Z`. */
export const bundleName = (made: number): string => `moneta-diagnose-${new Date(made).toISOString().replace(/[-:]|\.\d+/g, "")}`;

/** Redacts the parts and writes them to `path`. Throws TARGET_EXISTS, and DIAGNOSE_NOT_WRITTEN with nothing left behind. */
export async function writeBundle(path: string, parts: readonly BundlePart[], origin: BundleOrigin, redactor: BundleRedactor): Promise<WrittenBundle> {
  const clean = parts.map((part) => redactPart(part, redactor));
  // By the same rules: reasons and sources are what others said.
  const readme = redactor.text(bundleReadme(clean, { ...origin, source: redactor.text(origin.source) }));
  const files = clean.flatMap(({ name, text }) => (text === undefined ? [] : [[name, text] as const]));
  const bytes = await compress(archiveOf(bundleName(origin.made), [["README", readme], ...files], origin.made));
  let output: OutputFile | undefined;
  try {
    output = await createOutputFile(path, unfinishedName);
    await output.write(bytes);
    await output.publish();
  } catch (error) {
    await output?.discard();
    if (commonErrors.targetExists.is(error)) throw error;
    throw diagnoseErrors.notWritten(`the bundle "${path}" cannot be written: ${messageOf(error)}`, { path }, error);
  }
  const missing = clean.flatMap(({ name, remark = "", text }) => (text === undefined ? [{ name, reason: remark }] : []));
  return { path, bytes: bytes.length, files: files.length + 1, missing, abandoned: output.abandoned };
}

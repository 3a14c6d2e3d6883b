/** `diagnose`: what a daemon has for a support bundle, and what became of a bundle. */
import type { MonetaError } from "../common/index.ts";
import type { BundlePart, WrittenBundle } from "../diagnose/index.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";

/** The answer of a daemon. */
export function diagnosisResponse(parts: readonly BundlePart[]): JsonObject {
  return { Parts: parts.map(({ about, name, remark, text }) => ({ Name: name, About: about, Text: text ?? null, Remark: remark ?? null })) };
}

/** Reads such an answer; what has another form is left out. */
export function readDiagnosis(response: JsonObject): BundlePart[] {
  const parts = Array.isArray(response.Parts) ? (response.Parts as readonly JsonValue[]) : [];
  const text = (value: JsonValue | undefined): string | undefined => (typeof value === "string" ? value : undefined);
  return parts.filter(isJsonObject).flatMap(({ About, Name, Remark, Text }) => {
    // It becomes the name of a file on the machine of whoever unpacks it.
    const name = text(Name);
    if (name === undefined || !/^[a-z]+\/[^\0]+$/.test(name) || name.split("/").some((part) => /^\.{0,2}$/.test(part))) return [];
    return [{ name, about: text(About) ?? "", text: text(Text), remark: text(Remark) }];
  });
}

/** What `moneta-cli` says of a bundle. */
export const bundleResponse = ({ abandoned = [], bytes, files, path }: Pick<WrittenBundle, "path" | "bytes" | "files"> & Partial<WrittenBundle>): JsonObject => ({
  File: path,
  Size: bytes,
  Files: files,
  ...(abandoned.length === 0 ? {} : { Removed: [...abandoned] }),
});

/** The same of one that was written and lacks parts: the answer is a no. */
export function incompleteBundle({ details: { bundle, bundleBytes, bundleFiles } }: MonetaError): JsonObject {
  return typeof bundle === "string" ? bundleResponse({ path: bundle, bytes: Number(bundleBytes), files: Number(bundleFiles) }) : {};
}

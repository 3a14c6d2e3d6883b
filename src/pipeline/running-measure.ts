/** What is computed over the plain bytes of a file, chunk for chunk, in whichever thread. */
import { createPageVerifier, type PageReport, type PageVerifierOptions } from "../postgres/index.ts";
import { crc32c } from "./crc32c.ts";
import { createRunningDigest, type HashAlgorithm } from "./file-measures.ts";

export interface MeasureOptions {
  readonly hash: HashAlgorithm;
  /** For a file that may hold pages with checksums. */
  readonly pages?: PageVerifierOptions | undefined;
}

export interface ChunkMeasure {
  /** Of this chunk. */
  readonly crc32c: number;
  /** With the last chunk: what was measured of the whole file. */
  readonly file?: WholeFileMeasure;
}

export interface WholeFileMeasure {
  /** Hexadecimal. */
  readonly digest: string;
  /** Undefined for a file without pages that carry checksums. */
  readonly pages: PageReport | undefined;
}

export interface RunningMeasure {
  /** Measures the next chunk of the file; it is not kept. */
  add(plain: Uint8Array, last: boolean): ChunkMeasure;
}

export function createRunningMeasure({ hash, pages }: MeasureOptions): RunningMeasure {
  const digest = createRunningDigest(hash);
  const verifier = pages === undefined ? null : createPageVerifier(pages);
  return {
    add(plain, last) {
      verifier?.update(plain);
      const measure = { crc32c: crc32c(plain) };
      if (last) return { ...measure, file: { digest: digest.finish(plain), pages: verifier?.finish() } };
      digest.update(plain);
      return measure;
    },
  };
}

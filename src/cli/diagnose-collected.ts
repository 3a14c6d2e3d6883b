/** What is collected for a support bundle before it is written. */
import type { BundlePart } from "../diagnose/index.ts";

export interface Collected {
  readonly parts: readonly BundlePart[];
  /** Whom it was asked of, in words. */
  readonly source: string;
  /** Secrets that were met on the way. */
  readonly secrets: readonly string[];
}

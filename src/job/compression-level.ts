/** The configured level within what the method knows; lz4 has none here (doc/ARCHITECTURE.md, settled questions). */
import type { RepositorySettings } from "../ipc/index.ts";

export function levelFor(method: RepositorySettings["compression"], level: number): { readonly level?: number } {
  if (method === "none" || method === "lz4") return {};
  return { level: method === "gzip" || method === "bzip2" ? Math.min(9, Math.max(1, level)) : level };
}

import { spawnSync } from "node:child_process";
import { tool } from "../tools.ts";

/** What zstd's own program makes of the bytes; undefined when it refuses them. */
export function zstdDecompressSync(stored: Buffer): Buffer | undefined {
  const { status, stdout } = spawnSync(tool("zstd"), ["-q", "-d", "-c"], { input: stored, maxBuffer: 1 << 30 });
  return status === 0 ? stdout : undefined;
}

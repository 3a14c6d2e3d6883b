/** The bytes of a stored file once more, under another path. */
import { createDurableFile } from "./durable-file.ts";
import { openFileReader } from "./file-reader.ts";
import type { Place } from "./place.ts";

const step = 1024 * 1024;

/** Copies `source` to `target`, which becomes visible when it is complete and durable. */
export async function copyInto(place: Place, source: string, target: string): Promise<void> {
  const reader = await openFileReader(place, source);
  try {
    const sink = await createDurableFile(place, target);
    try {
      for (let at = 0; at < reader.size; at += step) await sink.write(await reader.read(at, step));
      await sink.commit({ replace: true });
    } catch (error) {
      await sink.abort();
      throw error;
    }
  } finally {
    await reader.close();
  }
}

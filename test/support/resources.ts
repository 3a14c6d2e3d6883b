/**
 * What a test started and must not leave behind: servers, child processes, directories.
 * `release` is the orderly end, run after each test file even when a test failed (see setup.ts);
 * `abandon` is the last resort when the process ends early, and must be synchronous.
 */
export interface Resource {
  readonly name: string;
  release(): Promise<void>;
  abandon(): void;
}

const open = new Set<Resource>();

/** Registers a resource; the function returned forgets it again, for when it was released by the test itself. */
export function registerResource(resource: Resource): () => void {
  open.add(resource);
  return () => open.delete(resource);
}

/** Releases everything still registered, newest first. Every failure is reported, none hides another. */
export async function releaseAll(): Promise<void> {
  const failures: unknown[] = [];
  for (const resource of [...open].reverse()) {
    open.delete(resource);
    try {
      await resource.release();
    } catch (error) {
      failures.push(new Error(`cannot release ${resource.name}`, { cause: error }));
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join("; "));
}

process.once("exit", () => {
  for (const resource of [...open].reverse()) {
    try {
      resource.abandon();
    } catch (error) {
      process.stderr.write(`cannot abandon ${resource.name}: ${String(error)}\n`);
    }
  }
});

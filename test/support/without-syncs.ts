/** For tests that cut a procedure off again and again, and are not about power cuts: a busy disk takes seconds for their syncs. */
import { open } from "node:fs/promises";
import { afterAll, beforeAll } from "vitest";

/** While the tests of this file run `FileHandle.sync` returns at once. */
export function withoutSyncs(): void {
  let restore = (): void => undefined;
  beforeAll(async () => {
    const handle = await open("/dev/null", "r");
    const prototype = Object.getPrototypeOf(handle) as { sync: unknown };
    const { sync } = prototype;
    prototype.sync = async () => undefined;
    restore = () => {
      prototype.sync = sync;
    };
    await handle.close();
  });
  afterAll(() => {
    restore();
  });
}

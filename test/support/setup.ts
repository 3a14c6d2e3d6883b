import { afterAll } from "vitest";
import { releaseAll } from "./resources.ts";

/** After the last test of each file nothing that it started may still run or lie about. */
afterAll(async () => {
  await releaseAll();
});

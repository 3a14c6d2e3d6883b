import { mkdtempSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { registerResource } from "./resources.ts";
import { giveToUnprivileged } from "./unprivileged-user.ts";

export interface TemporaryDirectory {
  readonly path: string;
  remove(): Promise<void>;
}

export interface TemporaryDirectoryOptions {
  /** First part of the name; short, because socket paths inside must stay below 100 bytes. */
  readonly prefix?: string;
  /** Whether it belongs to the user that servers run as (matters only when the tests run as root). Default false. */
  readonly unprivileged?: boolean;
  /** In memory where the run has a place there: another file system than the others are on. Default false. */
  readonly memory?: boolean;
}

/** A new empty directory of mode 0700, removed with all it holds at the end of the test file at the latest. */
export function temporaryDirectory(options: TemporaryDirectoryOptions = {}): TemporaryDirectory {
  const place = options.memory === true ? (process.env["MONETA_TEST_MEMORY"] ?? tmpdir()) : tmpdir();
  const path = mkdtempSync(join(place, `${options.prefix ?? "moneta-test"}-`));
  if (options.unprivileged === true) giveToUnprivileged(path);
  const forget = registerResource({
    name: `directory ${path}`,
    release: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
    abandon: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }),
  });
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
      forget();
    },
  };
}

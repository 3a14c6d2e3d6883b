import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { giveToUnprivileged, unprivilegedUser } from "./unprivileged-user.ts";

const projectRoot = resolve(import.meta.dirname, "../..");

/**
 * Copies what `make` puts into an empty directory to `to`; it is made once per `what` and build, because a program and
 * a key derivation stand behind each line of it. Kept where the data directories of initdb are.
 */
export async function copyOfTemplate(what: unknown, to: string, make: (directory: string) => Promise<void>): Promise<void> {
  const build = await readFile(join(projectRoot, "dist", ".built-from"), "utf8");
  const key = createHash("sha256").update(JSON.stringify([what, build])).digest("hex").slice(0, 12);
  const user = unprivilegedUser()?.uid ?? process.getuid?.() ?? 0;
  const template = join(process.env["MONETA_TEST_CACHE"] ?? tmpdir(), `moneta-accounts-${user}-${key}`);
  if (!existsSync(template)) {
    const temporary = await mkdtemp(`${template}-`);
    giveToUnprivileged(temporary);
    try {
      await make(temporary);
      await rename(temporary, template);
    } catch (error) {
      // Another test process may have been faster: its template is as good as ours.
      if (!existsSync(template)) throw error;
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
  await cp(template, to, { recursive: true, preserveTimestamps: true });
}

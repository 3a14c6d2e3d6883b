import { copyFile, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { buildSync } from "esbuild";
import { temporaryDirectory } from "./temporary-directory.ts";

const root = resolve(import.meta.dirname, "../..");

/**
 * A program written in TypeScript as one file that Node runs: for those that a test starts more than once, because
 * `node --import tsx` takes a second to start each time. As deep in its tree as in ours, so that what it reads relative
 * to itself (package.json above all) is there. Gone at the end of the test file.
 */
export async function bundled(path: string): Promise<string> {
  const tree = temporaryDirectory({ prefix: "bundle" }).path;
  const outfile = join(tree, path.replace(/\.ts$/, ".mjs"));
  // No service stays behind, which would belong to the process of the tests.
  buildSync({
    absWorkingDir: root,
    entryPoints: [path],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "esm",
    logLevel: "silent",
    // What CommonJS packages ask for with require.
    banner: { js: 'import { createRequire as forCommonJs } from "node:module"; const require = forCommonJs(import.meta.url);' },
    external: ["@mongodb-js/*", "@node-rs/*", "lz4-napi", "bzip2-wasm", "compressjs"],
  });
  await symlink(join(root, "node_modules"), join(tree, "node_modules"));
  await copyFile(join(root, "package.json"), join(tree, "package.json"));
  return outfile;
}

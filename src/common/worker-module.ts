/** Starts a module of this program in a thread of its own, built or from its sources. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

/**
 * @param folder of src, and one level below it in the built program too
 * @param module file in it, without its extension; its name ends in "-worker", by which the build finds it
 */
export function startWorkerModule(folder: string, module: string): Worker {
  // In the built program this may stand in a chunk beside the folders.
  if (!import.meta.url.endsWith(".ts")) return new Worker(new URL(`../${folder}/${module}.js`, import.meta.url));
  // TypeScript sources need their loader registered in the thread first. It is resolved the way of `require`, which names
  // the CommonJS twin; only the module can register an ESM loader.
  const loader = pathToFileURL(
    createRequire(import.meta.url)
      .resolve("tsx/esm/api")
      .replace(/\.cjs$/, ".mjs"),
  ).href;
  const entry = new URL(`../${folder}/${module}.ts`, import.meta.url).href;
  const boot = `import(${JSON.stringify(loader)}).then((tsx) => { tsx.register(); return import(${JSON.stringify(entry)}); });`;
  return new Worker(boot, { eval: true });
}

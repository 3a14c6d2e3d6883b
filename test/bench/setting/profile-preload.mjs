/**
 * Loaded into Moneta's processes by NODE_OPTIONS (which does not take --cpu-prof): writes a processor profile of each
 * when it ends, named after what it is, to open in the developer tools of Chromium. What the pool's threads do,
 * compressing and writing, is not in it.
 */
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";

// Of the environment, children inherit only what is called NODE_….
const directory = process.env.NODE_BENCH_PROFILES;
if (directory !== undefined && isMainThread) {
  const session = new Session();
  session.connect();
  session.post("Profiler.enable");
  session.post("Profiler.setSamplingInterval", { interval: 1000 });
  session.post("Profiler.start");
  process.once("exit", () => {
    session.post("Profiler.stop", (error, result) => {
      if (error !== null) return;
      const name = process.title.replaceAll(/[^a-z0-9]+/gi, "-");
      writeFileSync(join(directory, `${name}-${process.pid}.cpuprofile`), JSON.stringify(result.profile));
    });
  });
}

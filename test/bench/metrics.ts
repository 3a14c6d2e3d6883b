/**
 * What a scrape costs the supervisor: `npx tsx test/bench/metrics.ts [servers] [backups]` (default 50 and 10000). For the first
 * scrape, one where nothing has changed, and one where the backups of one server have, it prints how long the scrape took and
 * for how long at a stretch nobody else had a turn.
 */
import { createBreather } from "../../src/common/index.ts";
import { createMetricsRenderer, type DaemonFacts } from "../../src/metrics/index.ts";
import { daemon, entry, server } from "../unit/metrics/facts.ts";

const [servers = 50, backups = 10_000] = process.argv.slice(2).map(Number);
const runs = 15;

const label = (index: number): string => String(20_260_000_000_000 + index);
const entriesOf = (count: number): DaemonFacts["servers"][number]["entries"] => Array.from({ length: count }, (_, index) => entry(label(index)));
const perServer = Math.round(backups / servers);
const all = Array.from({ length: servers }, (_, index) => server(`server${index}`, { entries: entriesOf(perServer) }));
const renderer = createMetricsRenderer({ limit: () => 0, pause: createBreather() });

interface Measured {
  readonly ms: number;
  /** The longest time between two turns of the event loop. */
  readonly heldMs: number;
  readonly bytes: number;
}

async function scrape(facts: DaemonFacts): Promise<Measured> {
  let last = performance.now();
  let heldMs = 0;
  let over = false;
  const look = (): void => {
    const now = performance.now();
    heldMs = Math.max(heldMs, now - last);
    last = now;
    if (!over) setImmediate(look);
  };
  setImmediate(look);
  const began = performance.now();
  const parts = await renderer.render(() => facts.servers, () => facts, "text");
  const ms = performance.now() - began;
  heldMs = Math.max(heldMs, performance.now() - last);
  over = true;
  return { ms, heldMs, bytes: parts.reduce((sum, { length }) => sum + length, 0) };
}

function tell(what: string, found: readonly Measured[]): void {
  const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const [ms, held] = [median(found.map((one) => one.ms)), median(found.map(({ heldMs }) => heldMs))];
  const mb = (found[0]?.bytes ?? 0) / 1024 ** 2;
  console.log(`${what.padEnd(28)} ${ms.toFixed(1).padStart(8)} ms, held ${held.toFixed(1).padStart(6)} ms, ${mb.toFixed(1)} MB`);
}

console.log(`${servers} servers with ${perServer} backups each, medians of ${runs}`);
tell("first (once)", [await scrape(daemon(all))]);
const same: Measured[] = [];
const changed: Measured[] = [];
for (let run = 0; run < runs; run += 1) {
  same.push(await scrape(daemon(all)));
  const one = server("server0", { entries: entriesOf(perServer + 1 + run) });
  changed.push(await scrape(daemon([one, ...all.slice(1)])));
  // What the timer of the daemon does between scrapes.
  await renderer.refresh(all);
}
tell("nothing has changed", same);
tell("one server has changed", changed);

/** A whole exposition: everything that is quickly told first, then what belongs to single backups, kept from scrape to scrape. */
import { createBackupSection } from "./backup-section.ts";
import { endOfExposition, renderFamily, type ExpositionFormat } from "./exposition.ts";
import type { DaemonFacts } from "./facts.ts";
import { allFamilies } from "./table.ts";

/** In the order in which they are sent. */
export type Exposition = readonly Buffer[];

export interface MetricsRenderer {
  render(facts: DaemonFacts, format: ExpositionFormat): Exposition;
}

/** @param backupLimit the newest backups of a server that have samples of their own; 0 is all of them */
export function createMetricsRenderer(backupLimit: () => number): MetricsRenderer {
  const backups = createBackupSection(backupLimit);
  return {
    render(facts, format) {
      const head = allFamilies.map((family) => renderFamily(family, facts, format)).join("");
      return [Buffer.from(head), backups.render(facts.servers), Buffer.from(endOfExposition[format])];
    },
  };
}

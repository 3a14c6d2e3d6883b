/** A whole exposition: everything that is quickly told first, then what belongs to single backups, kept from scrape to scrape. */
import { createBackupSection, type BackupSectionOptions, type BackupsOwner } from "./backup-section.ts";
import { endOfExposition, renderFamily, type ExpositionFormat } from "./exposition.ts";
import type { DaemonFacts } from "./facts.ts";
import { allFamilies } from "./table.ts";

/** In the order in which they are sent. */
export type Exposition = readonly Buffer[];

export interface MetricsRenderer {
  /** `facts` is asked when the backups are rendered, so that nothing in the answer is older than it has to be. */
  render(servers: () => readonly BackupsOwner[], facts: () => DaemonFacts, format: ExpositionFormat): Promise<Exposition>;
  /** Renders what belongs to single backups ahead of the next scrape. */
  refresh(servers: readonly BackupsOwner[]): Promise<void>;
}

export function createMetricsRenderer(options: BackupSectionOptions): MetricsRenderer {
  const backups = createBackupSection(options);
  return {
    async render(servers, facts, format) {
      const ofBackups = await backups.render(servers());
      const now = facts();
      const head = allFamilies.map((family) => renderFamily(family, now, format)).join("");
      return [Buffer.from(head), ...ofBackups, Buffer.from(endOfExposition[format])];
    },
    async refresh(servers) {
      await backups.render(servers);
    },
  };
}

/** What Prometheus is told: families, the facts they are made of, and the formats they are told in. */
export type { BackupsOwner } from "./backup-section.ts";
export { chooseFormat, contentTypes, type ExpositionFormat } from "./exposition.ts";
export * from "./facts.ts";
export type { Family, MetricType } from "./family.ts";
export { metricsPage } from "./page.ts";
export { createMetricsRenderer, type Exposition, type MetricsRenderer } from "./render.ts";
export { allFamilies, familyGroups, ownGroups, pgmonetaGroups, type FamilyGroup } from "./table.ts";

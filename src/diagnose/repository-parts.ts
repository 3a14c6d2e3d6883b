/** What the repository itself says: metadata of the newest backups, what there is of WAL, and what jobs and schedules left. */
import { messageOf } from "../common/index.ts";
import { backupFiles, isLabel, openWalInventory, serverLayout } from "../repository/index.ts";
import { formatLsn } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import { boundedJson, type PartContent } from "./bounded-text.ts";
import type { PartPlan } from "./part.ts";

/** Backups of a server whose metadata are in a bundle: the newest by their labels. */
export const newestBackups = 20;
const largestFile = 1024 * 1024;

/** A server of the repository; its segments have so many bytes. */
export interface DiagnosedServer {
  readonly name: string;
  readonly segmentSize: number;
}

async function readText(storage: Storage, path: string): Promise<PartContent> {
  if ((await storage.stat(path)) === undefined) return { text: "", remark: "there is no such file" };
  return { text: (await storage.readFile(path, largestFile)).toString("utf8") };
}

async function readInfos(storage: Storage, server: string): Promise<PartContent> {
  const layout = serverLayout(server);
  const labels = (await storage.list(layout.backups)).map(({ name }) => name).filter(isLabel);
  const newest = labels.slice(-newestBackups);
  const texts: string[] = [];
  for (const label of newest) {
    let text: string;
    try {
      text = (await readText(storage, layout.backupFile(label, backupFiles.info))).text;
    } catch (error) {
      // Of one backup; the others are worth having all the same.
      text = `cannot be read: ${messageOf(error)}\n`;
    }
    texts.push(`# ${label}\n${text}`);
  }
  return {
    text: texts.join("\n"),
    ...(newest.length === labels.length ? {} : { remark: `those of the newest ${newest.length} of ${labels.length} backups` }),
  };
}

async function describeWal(storage: Storage, { name, segmentSize }: DiagnosedServer): Promise<PartContent> {
  const inventory = openWalInventory(storage, name, segmentSize);
  const ranges = (await inventory.stretches()).map(({ end, segments, start, timeline }) => ({
    timeline,
    start: formatLsn(start),
    end: formatLsn(end),
    segments,
  }));
  const gaps = (await inventory.openGaps()).map(({ detectedAt, from, reason, timeline, to }) => ({
    timeline,
    from: formatLsn(from),
    to: formatLsn(to),
    detected: new Date(detectedAt).toISOString(),
    reason,
  }));
  const unarchived = await inventory.unarchived();
  return boundedJson({ segmentSize, ...(await inventory.usage()), stretches: ranges, gaps, unarchivedCount: unarchived.length, unarchived: unarchived.slice(0, 50) });
}

/** The parts of one server. */
export function repositoryPlans(storage: Storage, server: DiagnosedServer): readonly PartPlan[] {
  const layout = serverLayout(server.name);
  const at = (file: string): string => `repository/${server.name}/${file}`;
  return [
    { name: at("backup.info.txt"), about: `the files backup.info of the newest backups of ${server.name}, one after the other`, produce: () => readInfos(storage, server.name) },
    { name: at("wal.json"), about: `the WAL of ${server.name} in the repository: files, bytes, stretches without a hole, gaps, what is not archived`, produce: () => describeWal(storage, server) },
    { name: at("jobs.json"), about: `the jobs of ${server.name} that have no outcome yet, as the daemon keeps them on disk`, produce: () => readText(storage, layout.jobs) },
    { name: at("schedule.json"), about: `what ran by itself for ${server.name}, as the daemon keeps it on disk`, produce: () => readText(storage, layout.schedule) },
  ];
}

/** Text of every answer, for a person at a terminal of 80 columns. */
import type { CommandName, JsonObject } from "../management/index.ts";
import { flagIn, objectsIn, textIn, textsIn } from "./document-fields.ts";
import { renderCheck, renderNotifyTest } from "./render-check.ts";
import { renderConfiguration, renderConfigurationPaths, renderConfigurationSet, renderReload } from "./render-configuration.ts";
import { renderDiagnose } from "./render-diagnose.ts";
import { renderDrill, renderSchedule } from "./render-drill.ts";
import { renderBackup, renderInfo, renderList, sizeIn, warningLines } from "./render-backups.ts";
import { renderArchive, renderConversion } from "./render-files.ts";
import { renderLineage } from "./render-lineage.ts";
import { renderProgress } from "./render-progress.ts";
import { renderStatus, renderStatusDetails } from "./render-status.ts";
import { renderVerify } from "./render-verify.ts";
import { renderAnnotation, renderKeep, renderRetention } from "./render-retention.ts";
import { printable, wrap } from "./table.ts";

const nameOf = (response: JsonObject): string => textIn(response, "Server") ?? "?";

function renderPing(response: JsonObject): string[] {
  const version = textIn(response, "MonetaVersion");
  return [
    `The daemon answers (${version === undefined ? `pgmoneta ${textIn(response, "ServerVersion") ?? "?"}` : `Moneta ${version}`}).`,
  ];
}

/** What an answer that is a no tells besides its error: the plan of a restore, the findings of a verification. */
export function renderRefusal(response: JsonObject): readonly string[] {
  return response.Files === undefined ? renderRefusedPlan(response) : renderVerify(response);
}

/** The plan of a dry run that found what speaks against it; nothing where the answer has no plan. */
export function renderRefusedPlan(response: JsonObject): readonly string[] {
  const plan = textsIn(response, "Plan");
  if (plan.length === 0) return [];
  return [
    `Plan for backup ${textIn(response, "Backup") ?? "?"} of ${nameOf(response)}; nothing was written.`,
    "It CANNOT be carried out:",
    ...plan.flatMap((step, index) => wrap(step, 78, `  ${String(index + 1).padStart(2)}. `, "      ")),
    ...textsIn(response, "Problems").flatMap((problem) => wrap(problem, 78, "! ", "  ")),
  ].map(printable);
}

function renderRestore(response: JsonObject): string[] {
  const directory = textIn(response, "Directory");
  const target = textIn(response, "Target");
  const dryRun = flagIn(response, "DryRun") === true;
  const what = `backup ${textIn(response, "Backup") ?? "?"} of ${nameOf(response)}`;
  const plan = dryRun ? textsIn(response, "Plan") : [];
  return [
    dryRun ? `Plan for ${what}; nothing was written:` : `Restored ${what}, ${sizeIn(response, "RestoreSize") ?? "?"}.`,
    ...(directory === undefined ? [] : [`  into    ${directory}`]),
    ...(target === undefined ? [] : wrap(target, 78, "  up to   ", "          ")),
    ...plan.flatMap((step, index) => wrap(step, 78, `  ${String(index + 1).padStart(2)}. `, "      ")),
    ...warningLines(response),
    ...(dryRun || directory === undefined ? [] : startLines(directory)),
  ];
}

/** The restored configuration names the port of the source, which may well run on this host. */
const startLines = (directory: string): readonly string[] => [
  "Start it on a port that is free here (without -o it takes that of its source):",
  `  pg_ctl -D ${shellWord(directory)} -o "-p <port>" start`,
];

/** A word that a shell takes as it is. */
function shellWord(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function renderMode(response: JsonObject): string[] {
  if (flagIn(response, "Online") === true) return [`${nameOf(response)} is online.`];
  return [
    `${nameOf(response)} is OFFLINE, also after a restart of the daemon: no WAL is received and`,
    "no backup is taken. Its slot keeps WAL on the server until it is online again.",
  ];
}

function renderCancel(response: JsonObject): string[] {
  const jobs = objectsIn(response, "Cancelled");
  if (jobs.length === 0) return [`Nothing was running for ${nameOf(response)}.`];
  return jobs.map(
    (job) => `Cancelled job ${textIn(job, "Job") ?? "?"} (${textIn(job, "Command") ?? "?"}) of ${textIn(job, "SourceFile") ?? nameOf(response)}.`,
  );
}

function renderKeyRotate(response: JsonObject): string[] {
  const previous = textIn(response, "PreviousKey");
  return [
    `What begins to be encrypted of ${nameOf(response)} from now on has the data key`,
    `  ${textIn(response, "Key") ?? "?"}`,
    ...(previous === undefined ? [] : ["What was encrypted before stays as it is, and is read with the key", `  ${previous}`]),
  ];
}

type Renderer = (response: JsonObject, now: number) => readonly string[];

const renderers: Readonly<Partial<Record<CommandName, Renderer>>> = {
  ping: renderPing,
  status: renderStatus,
  "status details": renderStatusDetails,
  "list-backup": renderList,
  info: renderInfo,
  backup: renderBackup,
  restore: renderRestore,
  verify: renderVerify,
  delete: (response) => [`Deleted backup ${textIn(response, "Backup") ?? "?"} of ${nameOf(response)}.`],
  retention: renderRetention,
  retain: renderKeep,
  expunge: renderKeep,
  annotate: renderAnnotation,
  mode: renderMode,
  progress: renderProgress,
  cancel: renderCancel,
  drill: renderDrill,
  schedule: renderSchedule,
  check: renderCheck,
  "notify test": renderNotifyTest,
  diagnose: renderDiagnose,
  lineage: renderLineage,
  "key rotate": renderKeyRotate,
  archive: renderArchive,
  compress: renderConversion("Compressed"),
  decompress: renderConversion("Decompressed"),
  encrypt: renderConversion("Encrypted"),
  decrypt: renderConversion("Decrypted"),
  "conf ls": renderConfigurationPaths,
  "conf get": renderConfiguration,
  "conf set": renderConfigurationSet,
  "conf reload": renderReload,
  "clear prometheus": () => ["The metrics count the lines of the log from 0 again."],
  shutdown: () => ["The daemon is stopping."],
};

/** Lines for standard output. `now` is the time against which ages are told. */
export function renderResponse(command: CommandName, response: JsonObject, now: number): readonly string[] {
  // Names come from outside; nothing of them may move the cursor.
  return (renderers[command] ?? (() => [`${command}: done.`]))(response, now).map(printable);
}

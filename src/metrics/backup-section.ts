/**
 * The part of an exposition with one sample a backup and family, which is nearly all of it where there are many backups:
 * rendered when backups change and kept, so that a scrape only sends it. It is the same in both formats. Rendering goes in
 * short steps, with a pause after each: whoever else the process serves does not wait for it.
 */
import { createSemaphore } from "../common/index.ts";
import type { CatalogEntry } from "../repository/index.ts";
import { backupFacts, sameBackup, type BackupFacts } from "./backup-facts.ts";
import { escapeLabel, familyHead, formatValue } from "./exposition.ts";
import { noBackup, pgmonetaBackups, type BackupFamily } from "./pgmoneta-backups.ts";

/** A server as far as this part is concerned. */
export interface BackupsOwner {
  readonly name: string;
  readonly entries: readonly CatalogEntry[];
}

export interface BackupSection {
  /**
   * The whole part, one buffer a family: what is kept, where nothing has changed since; else only the servers whose backups
   * are other ones than before are rendered anew.
   */
  render(servers: readonly BackupsOwner[]): Promise<readonly Buffer[]>;
}

export interface BackupSectionOptions {
  /** The newest backups of a server that have samples of their own, asked at every render; 0 is all of them. */
  readonly limit: () => number;
  /** Called after each step. */
  readonly pause: () => Promise<void>;
}

interface RenderedServer {
  /** As it was given: the same array means that nothing was read since. */
  readonly entries: readonly CatalogEntry[];
  readonly shown: readonly BackupFacts[];
  /** One piece a family. */
  readonly pieces: readonly Buffer[];
}

/** Samples of one step: some three tenths of a millisecond. */
const stepSamples = 250;

export function createBackupSection({ limit, pause }: BackupSectionOptions): BackupSection {
  // Whoever comes while it is rendered finds it rendered.
  const turns = createSemaphore(1);
  let known = new Map<string, RenderedServer>();
  let knownLimit = 0;
  let whole: readonly Buffer[] | undefined;

  async function render(servers: readonly BackupsOwner[]): Promise<readonly Buffer[]> {
    const now = limit();
    const next = new Map<string, RenderedServer>();
    for (const server of servers) next.set(server.name, await renderServer(server, known.get(server.name), knownLimit, now));
    const names = [...known.keys()];
    const same = next.size === known.size && [...next].every(([name, { pieces }], index) => names[index] === name && known.get(name)?.pieces === pieces);
    if (whole === undefined || !same) whole = await join([...next.values()]);
    known = next;
    knownLimit = now;
    return whole;
  }

  async function renderServer({ name, entries }: BackupsOwner, before: RenderedServer | undefined, beforeLimit: number, now: number): Promise<RenderedServer> {
    if (before?.entries === entries && now === beforeLimit) return before;
    const found = backupFacts(entries, now);
    const shown = found.length === 0 ? [noBackup] : found;
    await pause();
    if (before !== undefined && before.shown.length === shown.length && shown.every((one, index) => sameBackup(one, before.shown[index] ?? noBackup))) {
      // Read again, and nothing has changed.
      return { ...before, entries };
    }
    const pieces: Buffer[] = [];
    for (const family of pgmonetaBackups) pieces.push(await renderPiece(family, name, shown));
    return { entries, shown, pieces };
  }

  async function renderPiece(family: BackupFamily, server: string, shown: readonly BackupFacts[]): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let at = 0; at < shown.length; at += stepSamples) {
      parts.push(Buffer.from(samplesOf(family, server, shown.slice(at, at + stepSamples))));
      await pause();
    }
    const [only = Buffer.alloc(0)] = parts;
    return parts.length <= 1 ? only : Buffer.concat(parts);
  }

  async function join(servers: readonly RenderedServer[]): Promise<Buffer[]> {
    const families: Buffer[] = [];
    for (const [index, family] of pgmonetaBackups.entries()) {
      const pieces = servers.flatMap(({ pieces: { [index]: piece } }) => (piece === undefined || piece.length === 0 ? [] : [piece]));
      if (pieces.length > 0) families.push(Buffer.concat([Buffer.from(familyHead(family, "text")), ...pieces]));
      await pause();
    }
    return families;
  }

  return { render: (servers) => turns.run(() => render(servers)) };
}

function samplesOf(family: BackupFamily, server: string, shown: readonly BackupFacts[]): string {
  const [nameLabel = "", labelLabel = "", ...extraLabels] = family.labels;
  const head = `${family.name}{${nameLabel}="${escapeLabel(server)}",${labelLabel}="`;
  let text = "";
  for (const backup of shown) {
    const { known, label } = backup;
    const value = backup === noBackup ? 0 : known === undefined ? family.ofDamaged : family.value(known, backup);
    if (value === undefined) continue;
    const extra = known === undefined ? [] : family.extra(known);
    const more = extra.map((word, index) => `,${extraLabels[index] ?? ""}="${escapeLabel(word)}"`).join("");
    text += `${head}${label}"${more}} ${formatValue(value)}\n`;
  }
  return text;
}

/**
 * The part of an exposition with one sample a backup and family, which is nearly all of it where there are many backups:
 * rendered when backups change and kept, so that a scrape only sends it. It is the same in both formats.
 */
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
  /** The whole part. Renders anew only the servers whose backups are other ones than before. */
  render(servers: readonly BackupsOwner[]): Buffer;
}

interface RenderedServer {
  /** As it was given: the same array means that nothing was read since. */
  readonly entries: readonly CatalogEntry[];
  readonly shown: readonly BackupFacts[];
  /** One piece a family. */
  readonly pieces: readonly Buffer[];
}

/** @param limit the newest backups of a server that have samples of their own, asked at every render; 0 is all of them */
export function createBackupSection(limit: () => number): BackupSection {
  let known = new Map<string, RenderedServer>();
  let knownLimit = 0;
  let whole: Buffer | undefined;

  return {
    render(servers) {
      const now = limit();
      const next = new Map(servers.map((server) => [server.name, renderServer(server, known.get(server.name), knownLimit, now)]));
      const same = next.size === known.size && servers.every(({ name }, index) => [...known.keys()][index] === name && next.get(name)?.pieces === known.get(name)?.pieces);
      if (whole === undefined || !same) whole = join([...next.values()]);
      known = next;
      knownLimit = now;
      return whole;
    },
  };
}

function renderServer({ name, entries }: BackupsOwner, before: RenderedServer | undefined, knownLimit: number, limit: number): RenderedServer {
  if (before?.entries === entries && limit === knownLimit) return before;
  const found = backupFacts(entries, limit);
  const shown = found.length === 0 ? [noBackup] : found;
  if (before !== undefined && before.shown.length === shown.length && shown.every((one, index) => sameBackup(one, before.shown[index] ?? noBackup))) {
    // Read again, and nothing has changed.
    return { ...before, entries };
  }
  return { entries, shown, pieces: pgmonetaBackups.map((family) => Buffer.from(renderPiece(family, name, shown))) };
}

function renderPiece(family: BackupFamily, server: string, shown: readonly BackupFacts[]): string {
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

function join(servers: readonly RenderedServer[]): Buffer {
  const parts = pgmonetaBackups.flatMap((family, index) => {
    const pieces = servers.flatMap(({ pieces: { [index]: piece } }) => (piece === undefined || piece.length === 0 ? [] : [piece]));
    return pieces.length === 0 ? [] : [Buffer.from(familyHead(family, "text")), ...pieces];
  });
  return Buffer.concat(parts);
}

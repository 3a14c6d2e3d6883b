/** Page checksums of everything that streams by: which files of the source are damaged. */
import type { Lsn, PageReport, PageVerifierOptions } from "../postgres/index.ts";
import { largestDamagedFiles } from "../repository/index.ts";
import type { Logger } from "../log/index.ts";

export interface PageCheck {
  /** How the pages of the file are to be looked at; undefined when the cluster has no checksums. */
  optionsOf(path: string): PageVerifierOptions | undefined;
  /** Takes what was found in a file; undefined for one without pages. */
  add(path: string, report: PageReport | undefined): void;
  readonly badPages: number;
  readonly damagedFiles: readonly string[];
}

export interface PageCheckOptions {
  readonly blockSize: number;
  readonly relationSegmentBlocks: number;
  readonly startLsn: Lsn;
}

/** `options` undefined: the cluster has no page checksums, nothing is checked. */
export function createPageCheck(options: PageCheckOptions | undefined, logger: Logger): PageCheck {
  let badPages = 0;
  const damagedFiles: string[] = [];
  return {
    optionsOf: (path) => (options === undefined ? undefined : { path, ...options }),
    add(path, report) {
      if (report === undefined || report.badCount === 0) return;
      const { badCount, bad } = report;
      badPages += badCount;
      if (damagedFiles.length < largestDamagedFiles) damagedFiles.push(path);
      const blocks = bad.map(({ block }) => block).join(", ");
      logger.error(`"${path}" has ${badCount} damaged pages on the server: blocks ${blocks}${badCount > bad.length ? ", …" : ""}`, { path, badCount });
    },
    get badPages() {
      return badPages;
    },
    get damagedFiles() {
      return damagedFiles;
    },
  };
}

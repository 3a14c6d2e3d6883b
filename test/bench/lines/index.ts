import { bzip2Line } from "./bzip2.ts";
import { idleLine, memoryLine, startLine } from "./footprint.ts";
import { fullBackupLines } from "./full-backup.ts";
import type { Line } from "./line.ts";
import { manyRelationsLine } from "./many-relations.ts";
import { recoveryLine } from "./recovery.ts";
import { restoreLine } from "./restore.ts";
import { storedSizeLine } from "./stored-size.ts";
import { synchronousCommitLine } from "./synchronous-commit.ts";
import { verifyLine } from "./verify.ts";
import { walCatchUpLine } from "./wal-catch-up.ts";

/** In the order in which they run: those that write into the standard cluster come last. */
export const lines: readonly Line[] = [
  ...fullBackupLines,
  bzip2Line,
  restoreLine,
  verifyLine,
  memoryLine,
  idleLine,
  startLine,
  storedSizeLine,
  manyRelationsLine,
  synchronousCommitLine,
  walCatchUpLine,
  recoveryLine,
];

export { makePlain, makeTar } from "./contenders.ts";
export * from "./goal.ts";
export * from "./line.ts";

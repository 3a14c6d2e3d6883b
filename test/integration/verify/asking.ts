/** Asks a verification of a rig's backups, in the words in which a restore answers. */
import { messageOf, MonetaError } from "../../../src/common/index.ts";
import { consistencyHistory } from "../../../src/restore/index.ts";
import { verify, type VerifyDependencies, type VerifyOptions, type VerifyReport } from "../../../src/verify/index.ts";
import { dependencies, type Rig } from "../restore/rig.ts";

export function verifyBackup(rig: Rig, backup: string, more: Partial<VerifyOptions> = {}, deps: Partial<VerifyDependencies> = {}): Promise<VerifyReport> {
  const { keys, storage, server } = rig.options();
  const options: VerifyOptions = { storage, server, backup, workers: 2, rateBytes: 0, keys, historyOf: consistencyHistory, ...more };
  return verify(options, { ...dependencies(), ...deps });
}

/** `yes`: it can be restored, perhaps with remarks; `no`: it cannot, or could not be verified at all. */
export interface VerifyAnswer {
  readonly answer: "yes" | "no";
  /** Everything that was said, in one text. */
  readonly said: string;
  readonly findings: number;
}

export async function askVerify(rig: Rig, backup: string): Promise<VerifyAnswer> {
  try {
    const { findings, findingCount, harmful, unread } = await verifyBackup(rig, backup);
    const said = [...findings.map(({ path, kind, reason }) => `${path} ${kind}: ${reason}`), ...unread.map(({ path, reason }) => `${path}: ${reason}`)].join("\n");
    return { answer: harmful === 0 && unread.length === 0 ? "yes" : "no", said, findings: findingCount + unread.length };
  } catch (error) {
    // What is no error of the catalogue is a defect, not an answer.
    if (!(error instanceof MonetaError)) throw error;
    return { answer: "no", said: messageOf(error), findings: 1 };
  }
}

/**
 * Advisory locks on open files (flock(2)): they end with the last process that has the descriptor, by whatever signal.
 * Node has no flock: util-linux' `flock` locks the descriptor that it is given, and leaves it locked when it ends.
 */
import { spawn } from "node:child_process";
import { messageOf } from "./moneta-error.ts";
import { commonErrors } from "./errors.ts";

export interface LockOptions {
  /** Default `exclusive`. */
  readonly mode?: "exclusive" | "shared";
  /** Milliseconds to wait for whoever has it; default 0. */
  readonly waitMs?: number;
}

/** util-linux' choice of ours for "somebody else has it"; no status that it ends with by itself. */
const heldStatus = 75;

/**
 * True when the open file `fd` is locked now; false when somebody else has it. Throws FILE_LOCK_FAILED where locks do
 * not work: no `flock` program, or a file system without them.
 */
export function lockOpenFile(fd: number, { mode = "exclusive", waitMs = 0 }: LockOptions = {}): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const failed = (why: string, cause?: unknown) => commonErrors.fileLockFailed(`flock ${why}`, {}, cause);
    const patience = waitMs > 0 ? ["-w", String(waitMs / 1000)] : ["-n"];
    const child = spawn("flock", [mode === "shared" ? "-s" : "-x", ...patience, "-E", String(heldStatus), "3"], {
      stdio: ["ignore", "ignore", "pipe", fd],
    });
    let complaint = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      if (complaint.length < 1000) complaint += text;
    });
    child.once("error", (error) => reject(failed(`could not be started: ${messageOf(error)}`, error)));
    child.once("close", (status, signal) => {
      if (status === 0) resolve(true);
      else if (status === heldStatus) resolve(false);
      else reject(failed(`ended with ${signal ?? `status ${status}`}: ${complaint.trim()}`));
    });
  });
}

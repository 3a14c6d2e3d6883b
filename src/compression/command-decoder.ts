/** A public decompressor as a child process: only for single foreign frames too large for memory. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { messageOf } from "../common/index.ts";
import { compressionErrors } from "./errors.ts";

const STDERR_LIMIT = 2000;

/**
 * What `command` writes when it is fed with `source`.
 * @throws DECOMPRESSION_TOOL_MISSING when it is not installed or cannot be started, COMPRESSED_DATA_DAMAGED when it fails
 */
export async function* decodeByCommand(
  command: string,
  args: readonly string[],
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  try {
    await once(child, "spawn");
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === "ENOENT";
    const why = isAbsent ? "which is not installed" : `which could not be started: ${messageOf(error)}`;
    throw compressionErrors.decoderMissing(
      `a ${command} frame too large for memory needs the command ${command}, ${why}`,
      { command },
      error,
    );
  }
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (complaint.length < STDERR_LIMIT) complaint += text;
  });
  const closed = once(child, "close") as Promise<[number | null, string | null]>;
  let feedingError: unknown;
  // Its failure is looked at after the child's own end, which tells more than the broken pipe it causes.
  const feeding = pipeline(source, child.stdin).catch((error: unknown) => {
    feedingError = error;
    if (!isBrokenPipe(error)) child.kill("SIGKILL");
  });
  let finished = false;
  try {
    for await (const piece of child.stdout) yield piece as Buffer;
    await feeding;
    const [status, signal] = await closed;
    if (feedingError instanceof Error && !isBrokenPipe(feedingError)) throw feedingError;
    if (status !== 0 || feedingError !== undefined) {
      const why =
        complaint.trim() ||
        (status === null ? `ended by ${signal ?? "a signal"}` : messageOf(feedingError ?? `status ${status}`));
      throw compressionErrors.damaged(`${command} refuses the data: ${why}`);
    }
    finished = true;
  } finally {
    if (!finished) {
      child.kill("SIGKILL");
      child.stdin.destroy();
      child.stdout.destroy();
      await closed;
    }
  }
}

function isBrokenPipe(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === "EPIPE" || code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ERR_STREAM_DESTROYED";
}

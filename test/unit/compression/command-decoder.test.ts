/** A public tool as decoder: absent, failing, stopped early, fed from a broken source. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { decodeByCommand } from "../../../src/compression/command-decoder.ts";
import { compressionErrors } from "../../../src/compression/index.ts";
import { collect, inPieces, sampleBytes } from "../../support/sample-bytes.ts";

const plain = sampleBytes(500_000, "noise");

/** A program that tells its process id as its first output. */
const telling = ["-c", "echo $$; exec cat"];

async function isGone(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

describe("a decoding command", () => {
  test("gives what it writes", async () => {
    expect(Buffer.compare(await collect(decodeByCommand("cat", [], inPieces(plain, 10_000))), plain)).toBe(0);
  });

  test("that is not installed is named, with what to do", async () => {
    const error: unknown = await collect(decodeByCommand("no-such-decoder", [], inPieces(plain, 10_000))).catch(
      (reason: unknown) => reason,
    );
    expect(error).toSatisfy(compressionErrors.decoderMissing.is);
    expect((error as Error).message).toContain("no-such-decoder");
  });

  test("that is there but cannot be started is not called missing: the reason is named", async () => {
    const command = join(mkdtempSync(join(tmpdir(), "decoder-")), "not-executable");
    writeFileSync(command, "", { mode: 0o600 });
    const error: unknown = await collect(decodeByCommand(command, [], inPieces(plain, 10_000))).catch((reason: unknown) => reason);
    rmSync(dirname(command), { recursive: true });
    expect(error).toSatisfy(compressionErrors.decoderMissing.is);
    expect((error as Error).message).toContain("EACCES");
    expect((error as Error).message).not.toContain("not installed");
  });

  test("that fails means damaged data, with its own words, whether or not it read its input", async () => {
    for (const script of [
      "cat >/dev/null; echo 'unsound block' >&2; exit 3",
      "echo 'unsound block' >&2; exit 3",
      "head -c 1000; echo 'unsound block' >&2; exit 1",
    ]) {
      const error: unknown = await collect(decodeByCommand("sh", ["-c", script], inPieces(plain, 10_000))).catch(
        (reason: unknown) => reason,
      );
      expect(error).toSatisfy(compressionErrors.damaged.is);
      expect((error as Error).message).toContain("unsound block");
    }
  });

  test("that ends well without reading its input to the end is not believed", async () => {
    const early = decodeByCommand("head", ["-c", "1000"], inPieces(plain, 10_000));
    await expect(collect(early)).rejects.toSatisfy(compressionErrors.damaged.is);
  });

  test("that is killed means damaged data", async () => {
    await expect(collect(decodeByCommand("sh", ["-c", "kill -9 $$"], inPieces(plain, 10_000)))).rejects.toThrow(
      "SIGKILL",
    );
  });

  test("does not outlive a receiver that stops early", async () => {
    let pid = 0;
    for await (const piece of decodeByCommand("sh", telling, inPieces(plain, 10_000))) {
      pid = Number.parseInt(Buffer.from(piece).toString("latin1"), 10);
      break;
    }
    expect(pid).toBeGreaterThan(1);
    expect(await isGone(pid)).toBe(true);
  });

  test("does not outlive a source that breaks, whose error is passed on", async () => {
    const broken = new Error("connection lost");
    let pid = 0;
    const source = async function* (): AsyncGenerator<Buffer> {
      yield plain.subarray(0, 1000);
      throw broken;
    };
    const reading = async (): Promise<void> => {
      for await (const piece of decodeByCommand("sh", telling, source()))
        pid ||= Number.parseInt(Buffer.from(piece).toString("latin1"), 10);
    };
    await expect(reading()).rejects.toBe(broken);
    expect(pid === 0 || (await isGone(pid))).toBe(true);
  });
});

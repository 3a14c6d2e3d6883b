import { describe, expect, it } from "vitest";
import { compressionName, encryptionName, translateDocument, translateSize } from "../../../src/cli/translate.ts";
import { isJsonObject } from "../../../src/management/index.ts";
import type { JsonObject } from "../../../src/management/index.ts";
import { missing, readCapture } from "../management/captures.ts";

/** The recorded answer as it would have come for `--format json`. */
function forJson(name: string): JsonObject {
  const { response } = readCapture(name);
  if (!isJsonObject(response.Header)) throw new Error("the capture has no header");
  return { ...response, Header: { ...response.Header, Output: 1 } };
}

describe("translation of documents", () => {
  const recorded: readonly (readonly [string, readonly string[]])[] = [
    ["ping", []],
    ["status", []],
    ["status-empty", []],
    ["status-details", []],
    ["list-backup", []],
    ["list-backup-desc", []],
    ["list-backup-empty", []],
    ["info", ["Response.WAL"]],
    ["info-annotated", ["Response.WAL"]],
    ["progress", []],
    ["conf-ls", []],
  ];
  it.each(recorded)("%s comes out as pgmoneta's client prints it", (name, differing) => {
    const expected = readCapture(name).clientJson;
    if (expected === undefined) throw new Error("nothing was recorded");
    // The client invents a Delta of 0.00B where the daemon sent none.
    const faults = missing(translateDocument(forJson(name)), expected, ["Outcome.Time", ...differing]);
    expect(faults.filter((fault) => !fault.endsWith("Delta: absent instead of string"))).toEqual([]);
  });

  it("prints the name of a WAL segment as that name and not as a size", () => {
    expect(translateDocument(forJson("info")).Response).toMatchObject({ WAL: "000000010000000000000005" });
  });

  it("leaves Request and Outcome as they are", () => {
    const document = forJson("info");
    const translated = translateDocument(document);
    expect([translated.Request, translated.Outcome]).toEqual([document.Request, document.Outcome]);
  });

  it.each([
    [0, "0.00B"],
    [1023, "1023.00B"],
    [745_472, "728.00kB"],
    [4_284_416, "4.09MB"],
    [76_236_750_848, "71.00GB"],
    [270_553_174_016n, "251.97GB"],
    [2n ** 64n, "16.00EB"],
  ])("writes %s bytes as %s", (bytes, text) => {
    expect(translateSize(bytes)).toBe(text);
  });

  it("writes what is unspecified, unknown or below zero in words", () => {
    const document = {
      Response: { RetentionDays: -1, RetentionWeeks: 0, Valid: -1, StartHiLSN: 0xab, StartLoLSN: 0xffff_fff8 },
    };
    expect(translateDocument(document).Response).toEqual({
      RetentionDays: "Unspecified",
      RetentionWeeks: 0,
      Valid: "unknown",
      StartHiLSN: "AB",
      StartLoLSN: "FFFFFFF8",
    });
  });

  it("names every code of compression and encryption", () => {
    expect([0, 0x11, 0x12, 0x13, 0x14, 0x22, 2, 0x1f].map(compressionName)).toEqual([
      "none",
      "gzip",
      "zstd",
      "lz4",
      "bzip2",
      "server-zstd",
      "zstd",
      "31",
    ]);
    expect([0, 1, 2, 3, 9].map(encryptionName)).toEqual(["none", "aes-256-gcm", "aes-192-gcm", "aes-128-gcm", "9"]);
  });
});

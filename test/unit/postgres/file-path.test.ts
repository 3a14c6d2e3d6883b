import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkRelativePath, pathFromBytes, pathToBytes, printablePath } from "../../../src/postgres/index.ts";

describe("file names as strings", () => {
  it("give back any bytes exactly", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => pathToBytes(pathFromBytes(bytes)).equals(bytes)),
    );
  });

  it("give back bytes that are nearly UTF-8 exactly", () => {
    const pieces = fc.constantFrom(
      "c3",
      "a4",
      "e2",
      "82",
      "ac",
      "f0",
      "9f",
      "98",
      "80",
      "ed",
      "b2",
      "c0",
      "ff",
      "61",
      "2f",
      "f4",
      "90",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (hex) => {
        const bytes = Buffer.from(hex.join(""), "hex");
        expect(pathToBytes(pathFromBytes(bytes)).toString("hex")).toBe(bytes.toString("hex"));
      }),
      { numRuns: 2000 },
    );
  });

  it("are the usual strings where the bytes are UTF-8", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => pathFromBytes(Buffer.from(text, "utf8")) === text));
  });

  it("differ where the bytes differ", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), fc.uint8Array({ maxLength: 8 }), (a, b) => {
        return Buffer.compare(a, b) === 0 || pathFromBytes(a) !== pathFromBytes(b);
      }),
    );
  });

  it("keep each byte outside UTF-8 as one lone surrogate", () => {
    expect(pathFromBytes(Buffer.from("61ff62", "hex"))).toBe("a\udcffb");
    expect(pathFromBytes(Buffer.from("c3", "hex"))).toBe("\udcc3");
    // A surrogate encoded in UTF-8 is not UTF-8.
    expect(pathFromBytes(Buffer.from("edb280", "hex"))).toBe("\udced\udcb2\udc80");
    expect(pathFromBytes(Buffer.from("f09f9880ff", "hex"))).toBe("😀\udcff");
  });

  it("refuse surrogates that stand for no byte", () => {
    for (const path of ["a\ud800", "\ud83d", "\udc00", "x\udc7f", "\udd00"]) {
      expect(() => pathToBytes(path)).toThrow(expect.objectContaining({ code: "FILE_PATH_REFUSED" }));
    }
  });

  it("are shown without control characters", () => {
    expect(printablePath("a\nb\u001b[31m\\\udcffü😀")).toBe("a\\x0ab\\x1b[31m\\\\\\xffü😀");
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        return !/[\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/u.test(printablePath(pathFromBytes(bytes)));
      }),
    );
  });
});

describe("paths inside a backup", () => {
  it.each(["PG_VERSION", "base/5/16384", "pg_tblspc/16385/PG_15_202209061/5/1", "a b/..c/c..", "..."])(
    "may be %j",
    (path) => {
      expect(checkRelativePath(path, "test")).toBe(path);
    },
  );

  it.each(["", "/", "/etc/passwd", "..", "../x", "base/../../x", "base/..", ".", "./x", "base//5", "base/", "a\0b"])(
    "may not be %j",
    (path) => {
      expect(() => checkRelativePath(path, "test")).toThrow(
        expect.objectContaining({
          code: "FILE_PATH_REFUSED",
          message: expect.stringContaining("test names the file") as string,
        }),
      );
    },
  );
});

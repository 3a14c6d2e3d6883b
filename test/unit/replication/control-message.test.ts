import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pathFromBytes } from "../../../src/postgres/index.ts";
import { decodeControlMessage } from "../../../src/replication/control-message.ts";
import { backend, backendMessage } from "../../support/backend-messages.ts";

describe("messages of a server", () => {
  test("are decoded", () => {
    const cases: [Buffer, unknown][] = [
      [backend.parameter("TimeZone", "UTC"), { kind: "parameter", name: "TimeZone", value: "UTC" }],
      [backend.key(123, -5), { kind: "key", processId: 123, secretKey: -5 }],
      [backend.ready(), { kind: "ready" }],
      [backend.columns("a", "ü"), { kind: "columns", names: ["a", "ü"] }],
      [backend.row("1", null, ""), { kind: "row", values: ["1", null, ""] }],
      [backend.complete("SELECT 1"), { kind: "complete", tag: "SELECT 1" }],
      [backendMessage("I", Buffer.alloc(0)), { kind: "complete", tag: "" }],
      [backend.copyOut(), { kind: "copy-out" }],
      [backend.copyBoth(), { kind: "copy-both" }],
      [backend.copyDone(), { kind: "copy-done" }],
      [backend.authenticationOk(), { kind: "authentication", step: { method: "ok" } }],
      [backend.authentication(3), { kind: "authentication", step: { method: "cleartext" } }],
      [backend.authentication(5, Buffer.alloc(4)), { kind: "authentication", step: { method: "md5" } }],
      [backend.authentication(7), { kind: "authentication", step: { method: "other", name: "GSSAPI" } }],
      [backend.sasl("A", "B"), { kind: "authentication", step: { method: "sasl", mechanisms: ["A", "B"] } }],
      [backend.saslContinue("r=ü"), { kind: "authentication", step: { method: "sasl-continue", data: "r=ü" } }],
    ];
    for (const [frame, message] of cases) expect(decodeControlMessage(frame)).toEqual(message);
  });

  test("of trouble keep code, detail and severity", () => {
    const fields = { severity: "FATAL", code: "57P03", message: "starting up", detail: "be patient" };
    expect(decodeControlMessage(backend.error(fields))).toEqual({
      kind: "error",
      notice: { severity: "FATAL", sqlstate: "57P03", message: "starting up", detail: "be patient" },
    });
    expect(decodeControlMessage(backend.notice({ code: "01000", message: "careful", severity: "WARNING" }))).toMatchObject({ kind: "notice" });
  });

  test("keep values that are no UTF-8, byte for byte", () => {
    const bytes = Buffer.from([0x2f, 0xff, 0xfe, 0x61]);
    expect(decodeControlMessage(backend.row(bytes))).toEqual({ kind: "row", values: [pathFromBytes(bytes)] });
  });
});

describe("malformed messages", () => {
  test("of any type and any content end in a value or in SERVER_PROTOCOL, and always end", () => {
    const types = fc.constantFrom(..."RKSZTDCIHWcANEv");
    fc.assert(
      fc.property(types, fc.uint8Array({ maxLength: 64 }), (type, body) => {
        try {
          decodeControlMessage(backendMessage(type, Buffer.from(body)));
        } catch (error) {
          expect(error).toMatchObject({ code: "SERVER_PROTOCOL" });
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("an error without its terminator is read to its end", () => {
    for (const body of ["", "S", "SERROR", "SERROR\0", "SERROR\0C42P01\0Moh"]) {
      expect(decodeControlMessage(backendMessage("E", Buffer.from(body)))).toMatchObject({ kind: "error" });
    }
  });

  test.each([
    ["a row whose value is longer than the message", backendMessage("D", Buffer.from([0, 1, 0, 0, 0, 9, 65]))],
    ["a row with fewer values than it says", backendMessage("D", Buffer.from([0, 2, 0, 0, 0, 1, 65]))],
    ["a description with fewer columns than it says", backendMessage("T", Buffer.from([0, 9]))],
    ["another protocol version", backendMessage("v", Buffer.alloc(8))],
    ["an authentication request without a code", backendMessage("R", Buffer.from([0]))],
  ])("%s", (_what, frame) => {
    expect(() => decodeControlMessage(frame)).toThrow(expect.objectContaining({ code: "SERVER_PROTOCOL" }));
  });
});

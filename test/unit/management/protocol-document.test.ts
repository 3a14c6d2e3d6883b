import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commandNames, commandTable, maxRequestBytes, maxRequestDocumentBytes } from "../../../src/management/index.ts";

const document = readFileSync(join(import.meta.dirname, "../../../doc/PROTOCOL.md"), "utf8");

describe("doc/PROTOCOL.md", () => {
  it.each(commandNames)("describes %s as the command table does", (name) => {
    const spec = commandTable[name];
    const fields = Object.entries(spec.fields).map(([field, type]) =>
      type === "text" ? field : type === "flag" ? `${field}?` : `[${field}]`,
    );
    const row = document.split("\n").find((line) => line.startsWith(`| ${spec.number} | ${name} |`));
    expect(row).toBeDefined();
    expect(row?.split("|")[3]?.trim()).toBe(fields.join(" "));
    const roleRow = document.split("\n").find((line) => line.startsWith(`| ${spec.role} | `));
    expect(roleRow?.split("|")[2]?.split(";")[0]?.trim().split(", ")).toContain(name);
    expect(row?.includes("not available yet")).toBe(!spec.available);
    expect(/\bjob\b/.test(row ?? "")).toBe(spec.job && spec.available);
  });

  it("names the limits that are in force", () => {
    expect([maxRequestBytes, maxRequestDocumentBytes]).toEqual([1024 ** 2, 1024 ** 2]);
    expect(document).toContain("1 MiB on the wire, and again when decompressed");
  });
});

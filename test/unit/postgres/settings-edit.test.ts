import { describe, expect, it } from "vitest";
import {
  commentOutSettings,
  putSettingsBlock,
  readSettings,
  removeSettings,
  removeSettingsBlock,
} from "../../../src/postgres/index.ts";

const file = [
  "# PostgreSQL configuration file",
  "archive_mode = on # keep this remark",
  "  ARCHIVE_COMMAND = 'cp %p /srv/archive/%f'",
  "",
  "#archive_command = 'old'",
  "port = 5432\r",
  "broken line here",
  "archive_mode = always",
].join("\n");

describe("edits of configuration files", () => {
  it("remove the lines that set a name, in any case, and no other", () => {
    const edit = removeSettings(file, ["Archive_Mode", "archive_command"]);
    expect(edit.text).toBe(
      "# PostgreSQL configuration file\n\n#archive_command = 'old'\nport = 5432\r\nbroken line here\n",
    );
    expect(edit.removed.map((line) => [line.number, line.name, line.value])).toEqual([
      [2, "archive_mode", "on"],
      [3, "archive_command", "cp %p /srv/archive/%f"],
      [8, "archive_mode", "always"],
    ]);
    expect(removeSettings(file, ["nothing"])).toEqual({ text: file, removed: [] });
  });

  it("turn lines into comments that keep them", () => {
    const edit = commentOutSettings(file, ["archive_command"], "switched off");
    expect(edit.text).toContain("\n# switched off: ARCHIVE_COMMAND = 'cp %p /srv/archive/%f'\n");
    expect(edit.text.split("\n")).toHaveLength(file.split("\n").length);
    expect(edit.removed).toHaveLength(1);
    expect(commentOutSettings(edit.text, ["archive_command"], "again").text).toBe(edit.text);
    expect(() => commentOutSettings(file, ["port"], "a\nport = 1")).toThrow(
      expect.objectContaining({ code: "POSTGRES_SETTINGS_INVALID" }),
    );
  });

  it("put a block at the end that wins, replaces an earlier one, and can be taken out again", () => {
    const block = {
      name: "moneta",
      comments: ["why\nand how to undo it", ""],
      settings: [
        ["archive_mode", "off"],
        ["x", "it's"],
      ],
    } as const;
    const once = putSettingsBlock(file, block);
    expect(once).toBe(
      `${file}\n# --- begin of moneta ---\n# why\n# and how to undo it\n#\narchive_mode = 'off'\nx = 'it''s'\n# --- end of moneta ---\n`,
    );
    expect(readSettings(once.replace("broken line here\n", ""), "x").get("archive_mode")).toBe("off");
    expect(putSettingsBlock(once, block)).toBe(once);
    expect(removeSettingsBlock(once, "moneta")).toBe(`${file}\n`);
    expect(removeSettingsBlock(once, "other")).toBe(once);
    expect(putSettingsBlock("", block).startsWith("# --- begin of moneta ---\n")).toBe(true);
  });

  it("refuse a damaged block and what is no setting", () => {
    const begun = "# --- begin of moneta ---\nport = 1\n";
    for (const text of [begun, `${begun}${begun}# --- end of moneta ---\n`]) {
      expect(() => removeSettingsBlock(text, "moneta")).toThrow(
        expect.objectContaining({ code: "POSTGRES_SETTINGS_INVALID" }),
      );
    }
    expect(() => putSettingsBlock("", { name: "m", comments: [], settings: [["a b", "1"]] })).toThrow(
      expect.objectContaining({ code: "POSTGRES_SETTINGS_INVALID" }),
    );
  });
});

import { describe, expect, it } from "vitest";
import { changeComments, type CommentChange } from "../../../src/management/index.ts";

const change = (
  comments: string,
  action: CommentChange["action"],
  key: string,
  comment: string | null = null,
): string => changeComments(comments, { action, key, comment });

describe("the comments of a backup", () => {
  it("are added, changed and removed by their keys, in pgmoneta's form", () => {
    expect(change("", "add", "who", "first note")).toBe("who|first note");
    expect(change("who|first note", "add", "why", "upgrade")).toBe("who|first note,why|upgrade");
    expect(change("who|first note,why|upgrade", "update", "who", "second")).toBe("who|second,why|upgrade");
    expect(change("who|second,why|upgrade", "remove", "who")).toBe("why|upgrade");
    expect(change("why|upgrade", "remove", "why")).toBe("");
  });

  it.each([
    ["add", "who", "again", "COMMENT_EXISTS"],
    ["update", "why", "x", "COMMENT_NOT_FOUND"],
    ["remove", "why", null, "COMMENT_NOT_FOUND"],
    ["add", "why", null, "REQUEST_INVALID"],
    ["add", "w|y", "x", "REQUEST_INVALID"],
    ["add", "why", "a, b", "REQUEST_INVALID"],
    ["add", "why", "a\nKEEP=1", "REQUEST_INVALID"],
    ["add", "why", " x", "REQUEST_INVALID"],
    ["update", "who", "x".repeat(2000), "REQUEST_INVALID"],
  ] as const)("%s %s %j is refused", (action, key, comment, code) => {
    expect(() => change("who|me", action, key, comment)).toThrow(expect.objectContaining({ code }));
  });
});

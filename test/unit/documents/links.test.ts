import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../../..");

/** All pages of the project. */
function pages(): string[] {
  const below = (directory: string): string[] =>
    readdirSync(join(root, directory), { recursive: true, encoding: "utf8" }).map((name) => join(directory, name));
  const top = readdirSync(root).filter((name) => name.endsWith(".md"));
  return [...top, ...["doc", "etc", "scripts", "src", "test/support"].flatMap(below)].filter((path) =>
    path.endsWith(".md"),
  );
}

/** Text without blocks and spans of code, in which brackets mean something else. */
const prose = (text: string): string => text.replaceAll(/^```[^]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "``");

/** Targets of `[text](target)`; those that lead to another machine are not ours to promise. */
function linksIn(text: string): string[] {
  const targets = [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? "");
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

/** The anchor that a heading gets on the usual hosts. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-");

const anchorsIn = (text: string): string[] =>
  [...text.replaceAll(/^```[^]*?^```/gm, "").matchAll(/^#+ (.+)$/gm)].map((match) => anchorOf(match[1] ?? ""));

const read = (path: string): string => readFileSync(join(root, path), "utf8");

describe("links between pages", () => {
  test("there are pages and links to look at", () => {
    expect(pages().length).toBeGreaterThan(10);
    expect(pages().flatMap((page) => linksIn(read(page))).length).toBeGreaterThan(20);
  });

  test.each(pages())("%s leads to what is there", (page) => {
    const broken = linksIn(read(page)).filter((target) => {
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? page : relative(root, join(root, dirname(page), path));
      if (!existsSync(join(root, file))) return true;
      return anchor !== undefined && !anchorsIn(read(file)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });
});

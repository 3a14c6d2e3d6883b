import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkStandbys } from "../../../src/config/check-standbys.ts";
import type { SectionUnderCheck } from "../../../src/config/check-consistency.ts";
import { standbyDirectories, standbyOverrides, standbyTablespaces } from "../../../src/config/value-kinds-standby.ts";

describe("the values", () => {
  test("are lists with one part a copy", () => {
    expect(standbyDirectories.parse("/srv/a, /srv/b/")).toEqual({ ok: true, value: ["/srv/a", "/srv/b"] });
    expect(standbyOverrides.parse("/o/a | | /o/c")).toEqual({ ok: true, value: ["/o/a", "", "/o/c"] });
    expect(standbyTablespaces.parse("fast -> /t/1, 16385->/t/2 | /data/ts->/t/3")).toEqual({
      ok: true,
      value: [
        [
          { tablespace: "fast", directory: "/t/1" },
          { tablespace: "16385", directory: "/t/2" },
        ],
        [{ tablespace: "/data/ts", directory: "/t/3" }],
      ],
    });
    for (const [kind, text] of [[standbyDirectories, "/a, /b"], [standbyOverrides, "/a |  | /b"], [standbyTablespaces, "a -> /t, b -> /u |  | c -> /v"]] as const) {
      const first = kind.parse(text);
      if (!first.ok) throw new Error(text);
      expect(kind.parse(kind.format(first.value as never))).toEqual(first);
    }
  });
  test.each(["relative", "/a,,/b", "", "/a,/a", "/a,/a/", Array.from({ length: 9 }, (_, n) => `/d${n}`).join()])("%s is no list of directories", (text) => {
    expect(standbyDirectories.parse(text).ok).toBe(false);
  });
  test.each(["a", "a ->", "-> /t", "a -> t", "a -> /t -> /u", "a -> /t, a -> /u", "", " | "])("%s is no map", (text) => {
    expect(standbyTablespaces.parse(text).ok).toBe(false);
  });
  test.each(["relative", "", "|"])("%s is no list of overrides", (text) => {
    expect(standbyOverrides.parse(text).ok).toBe(false);
  });
});

describe("copies lie apart", () => {
  const section = (name: string, values: Record<string, unknown>): SectionUnderCheck => ({
    section: { name, line: 1, entries: [] },
    compiled: { values: new Map(Object.entries(values)), entries: new Map(), problems: [], warnings: [] },
  });
  const main = section("pgmoneta", { base_dir: "/srv/backup", workspace: "/srv/scratch", unix_socket_dir: "/run/m" });
  const check = (...servers: SectionUnderCheck[]): string[] =>
    checkStandbys("f", main, servers).map(({ section: name, key, message }) => `${name ?? ""} ${key ?? ""}: ${message}`);
  const map = (directory: string) => [[{ tablespace: "t", directory }]];

  test("each in its own directory, also below the same one", () => {
    expect(
      check(
        section("one", { hot_standby: ["/hs", "/hs2"], hot_standby_tablespaces: map("/ts/one"), hot_standby_overrides: ["/o"], wal_shipping: "/second" }),
        section("two", { hot_standby: ["/hs", "/srv/scratch/hs"], hot_standby_tablespaces: map("/ts/two") }),
        section("none", {}),
      ),
    ).toEqual([]);
  });
  test.each([
    [{ hot_standby: ["/hs/one"] }, "lie in one another"],
    [{ hot_standby: ["/x"], hot_standby_tablespaces: map("/ts/one/below") }, "lie in one another"],
    [{ hot_standby: ["/x"], hot_standby_tablespaces: map("/hs") }, "lie in one another"],
    [{ hot_standby: ["/srv/backup/x"] }, "apart from base_dir"],
    [{ hot_standby: ["/x"], hot_standby_tablespaces: map("/srv") }, "apart from base_dir"],
    [{ hot_standby: ["/x"], hot_standby_tablespaces: map("/run") }, "apart from unix_socket_dir"],
    [{ hot_standby: ["/x"], hot_standby_tablespaces: map("/second/one/wal") }, "apart from the second copy of the WAL of [one]"],
    [{ hot_standby: ["/x"], hot_standby_overrides: ["/x"] }, "apart from hot_standby_overrides"],
    [{ hot_standby_overrides: ["/o"] }, "expected hot_standby as well"],
    [{ hot_standby: ["/x"], hot_standby_overrides: ["/o", "/p"] }, "no more parts than hot_standby has directories, which are 1, found 2"],
  ])("not as in %j", (values, why) => {
    const one = section("one", { hot_standby: ["/hs"], hot_standby_tablespaces: map("/ts/one"), wal_shipping: "/second" });
    const found = check(one, section("two", values));
    expect(found.join("\n")).toContain(why);
    expect(found.every((line) => line.startsWith("two hot_standby"))).toBe(true);
  });
  test("the name of a server makes the difference", () => {
    expect(check(section("one", { hot_standby: [join("/hs")] }), section("b", { hot_standby: ["/hs/one"] }))).toHaveLength(1);
  });
});

import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { parseLsn } from "../../../src/postgres/index.ts";
import { noPosition } from "../../../src/restore/recovery-position.ts";
import { parsePosition } from "../../../src/restore/parse-position.ts";

describe("a position", () => {
  it.each([null, "", "  ", ","])("is the end of the archive when there is none: %j", (text) => {
    expect(parsePosition(text)).toEqual(noPosition);
  });

  it("is one of five kinds of target", () => {
    expect(parsePosition("current").target).toEqual({ kind: "immediate" });
    expect(parsePosition("immediate").target).toEqual({ kind: "immediate" });
    expect(parsePosition("name=before the drop").target).toEqual({ kind: "name", name: "before the drop" });
    expect(parsePosition("xid=754").target).toEqual({ kind: "xid", xid: 754n });
    expect(parsePosition("lsn=16/b374d848").target).toEqual({ kind: "lsn", lsn: parseLsn("16/B374D848") });
    expect(parsePosition("time=2026-11-20 09:00:00+01").target).toMatchObject({ kind: "time" });
  });

  it("has options beside the target, in any order and with spaces", () => {
    expect(parsePosition("replica , action=shutdown, lsn=0/1, timeline=0x1F, inclusive=off")).toEqual({
      target: { kind: "lsn", lsn: 1n },
      inclusive: false,
      action: "shutdown",
      timeline: 31,
      role: "replica",
    });
  });

  it("takes pgmoneta's empty values for its defaults", () => {
    expect(parsePosition("xid=5,inclusive=,action=,timeline=")).toMatchObject({
      inclusive: true,
      action: "pause",
      timeline: "latest",
    });
    expect(parsePosition("primary,timeline=current")).toMatchObject({ role: "primary", timeline: "current" });
  });

  it("keeps commas, quotes and equals signs of a value in quotes", () => {
    expect(parsePosition("name='a,b=c''d',inclusive=off").target).toEqual({ kind: "name", name: "a,b=c'd" });
    expect(parsePosition('name="x ""y"", z"').target).toEqual({ kind: "name", name: 'x "y", z' });
    expect(parsePosition("name=it's").target).toEqual({ kind: "name", name: "it's" });
  });

  it("gives any name back that was put in quotes", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 15 }), (name) => {
        const quoted = `name='${name.replaceAll("'", "''")}'`;
        expect(parsePosition(`${quoted},primary`).target).toEqual({ kind: "name", name });
      }),
    );
  });

  it.each([
    ["lsn=0/1,xid=5", /xid=5: there is already lsn=0\/1/],
    ["primary,replica", /replica: there is already primary/],
    ["action=pause,action=promote", /action=promote: there is already action=pause/],
    ["lsn=5", /lsn=5: expected a WAL position such as 16\/B374D848/],
    ["lsn=", /lsn=: expected lsn=<value>/],
    ["name", /name: expected name=<value>/],
    ["xid=0", /xid=0: expected the number of a transaction/],
    ["xid=abc", /expected the number of a transaction/],
    [`name=${"é".repeat(32)}`, /at most 63 bytes/],
    ["inclusive=maybe", /inclusive=maybe: expected inclusive=on or inclusive=off/],
    ["action=stop", /expected action=pause, action=promote or action=shutdown/],
    ["timeline=0", /expected timeline=latest, timeline=current or timeline=<number>/],
    ["timeline=x", /expected timeline=latest/],
    ["immediate=1", /immediate takes no value/],
    ["replica=1", /replica takes no value/],
    ["recovery_min_apply_delay=5s", /recovery_min_apply_delay=5s: unknown; expected one of current, immediate, name=/],
    ["newest", /newest: unknown/],
  ])("is refused with the token and what was expected: %s", (text, message) => {
    expect(() => parsePosition(text)).toThrow(message);
  });
});

/** The parts of a copy's update that need no server: seals, what is removed, overrides, what is put in place. */
import { linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { bytesBelow } from "../../../src/restore/remove-content.ts";
import { createSealList, openFileSeals, sealOf } from "../../../src/restore/standby/file-seals.ts";
import { readOverrides } from "../../../src/restore/standby/overrides.ts";
import { placeDirectory, putContent, putLink } from "../../../src/restore/standby/place-entry.ts";
import { clearDirectory } from "../../../src/restore/standby/remove-vanished.ts";
import { readFileSeals, readStandbyState, writeFileSeals, writeStandbyState, type StandbyState } from "../../../src/restore/standby/standby-state.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let root = "";
beforeEach(() => {
  root = temporaryDirectory().path;
});

describe("seals", () => {
  const stats = { ino: 1n, size: 2n, mode: 0o100600n, mtimeNs: 4n, ctimeNs: 5n };

  it("are another for another path, content, or anything that writing changes", () => {
    const variants = [
      sealOf("/a", stats, "d"),
      sealOf("/b", stats, "d"),
      sealOf("/a", stats, "e"),
      ...Object.entries(stats).map(([name, value]) => sealOf("/a", { ...stats, [name]: value + 1n }, "d")),
    ];
    expect(new Set(variants.map((seal) => seal.toString("hex"))).size).toBe(variants.length);
    expect(variants[0]).toHaveLength(16);
  });

  it("are found again, all of them and no others", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(), { maxLength: 5000 }), fc.nat(), (numbers, other) => {
        const list = createSealList();
        for (const number of numbers) list.add(sealOf(String(number), stats, ""));
        const seals = openFileSeals(list.content());
        expect(numbers.every((number) => seals.has(sealOf(String(number), stats, "")))).toBe(true);
        expect(seals.has(sealOf(String(other), stats, ""))).toBe(numbers.includes(other));
      }),
      { numRuns: 20 },
    );
  });

  it("count only where the state says that the copy is complete, and are those that it names", async () => {
    const list = createSealList();
    const seal = sealOf("/a", stats, "d");
    list.add(seal);
    const seals = await writeFileSeals(root, list.content());
    const state: StandbyState = { server: "primary", repository: "", label: "20261120090138", complete: true, read: 1, settings: "", directories: [root], seals, bytes: 3 };
    await writeStandbyState(root, state);
    expect(await readStandbyState(root)).toEqual(state);
    expect((await readFileSeals(root, state)).has(seal)).toBe(true);
    expect((await readFileSeals(root, { ...state, complete: false })).has(seal)).toBe(false);
    writeFileSync(join(root, "moneta_standby.seals"), Buffer.concat([seal, Buffer.alloc(16)]));
    expect((await readFileSeals(root, state)).has(seal)).toBe(false);
    writeFileSync(join(root, "moneta_standby.json"), readFileSync(join(root, "moneta_standby.json"), "utf8").slice(0, -10));
    expect(await readStandbyState(root)).toBeUndefined();
  });
});

it("removes what is not wanted, keeps directories for the sake of what is in them, and follows no link", async () => {
  mkdirSync(join(root, "copy", "a", "b"), { recursive: true });
  mkdirSync(join(root, "copy", "empty"));
  mkdirSync(join(root, "copy", "wanted"));
  mkdirSync(join(root, "outside"));
  for (const name of ["copy/a/b/stays", "copy/a/b/goes", "copy/goes", "outside/precious"]) writeFileSync(join(root, name), "");
  symlinkSync(join(root, "outside"), join(root, "copy", "link"));
  const wanted = new Set(["a/b/stays", "wanted"].map((name) => join(root, "copy", name)));
  expect(await clearDirectory(join(root, "copy"), (path) => wanted.has(path.toString()))).toBe(3);
  expect(readdirSync(join(root, "copy")).sort()).toEqual(["a", "wanted"]);
  expect(readdirSync(join(root, "copy", "a", "b"))).toEqual(["stays"]);
  expect(readdirSync(join(root, "outside"))).toEqual(["precious"]);
});

describe("what is put in place", () => {
  it("is written only where it is not right already, and never through a link", async () => {
    const path = join(root, "file");
    expect(await putContent(path, Buffer.from("one"), 0o640)).toBe(3);
    const { ino } = statSync(path);
    expect(await putContent(path, Buffer.from("one"), 0o600)).toBe(0);
    expect(statSync(path)).toMatchObject({ ino, mode: 0o100600 });
    expect(await putContent(path, Buffer.from("two"), 0o600)).toBe(3);
    writeFileSync(join(root, "precious"), "one");
    symlinkSync(join(root, "precious"), join(root, "link"));
    await putContent(join(root, "link"), Buffer.from("two"), 0o600);
    expect(readFileSync(join(root, "precious"), "utf8")).toBe("one");
    expect(readFileSync(join(root, "link"), "utf8")).toBe("two");
  });

  it("is a directory where something else was", async () => {
    mkdirSync(join(root, "outside"));
    symlinkSync(join(root, "outside"), join(root, "a"));
    await placeDirectory(join(root, "a", "b"), root, 0o700);
    expect(lstatSync(join(root, "a")).isDirectory()).toBe(true);
    expect(readdirSync(join(root, "outside"))).toEqual([]);
    await putLink(join(root, "a", "b"), "/elsewhere");
    expect(lstatSync(join(root, "a", "b")).isSymbolicLink()).toBe(true);
  });
});

describe("overrides", () => {
  const write = (name: string, text = ""): void => {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), text);
  };

  it("are files, also in directories; a standby.signal among them makes a replica", async () => {
    write("postgresql.conf");
    write("conf.d/own.conf");
    expect(await readOverrides(root)).toMatchObject({ standby: false, withoutRecovery: false });
    write("standby.signal");
    const found = await readOverrides(root);
    expect(found.files.map(({ name }) => name).sort()).toEqual(["conf.d/own.conf", "postgresql.conf", "standby.signal"]);
    expect(found).toMatchObject({ standby: true, withoutRecovery: false });
  });

  it("that replace the recovery settings leave the copy without recovery, unless they have their own", async () => {
    write("postgresql.auto.conf", "work_mem = '1MB'\n");
    expect(await readOverrides(root)).toMatchObject({ withoutRecovery: true });
    write("postgresql.auto.conf", "restore_command = 'cp /archive/%f %p'\n");
    expect(await readOverrides(root)).toMatchObject({ withoutRecovery: false });
    write("postgresql.auto.conf", "restore_command = 'cp\n");
    await expect(readOverrides(root)).rejects.toThrow(/is no configuration that PostgreSQL reads/);
  });

  it.each(["global/pg_control", "postmaster.pid", "backup_label", "moneta_standby.json", "pg_tblspc/16384/file"])("cannot have %s", async (name) => {
    write(name);
    await expect(readOverrides(root)).rejects.toThrow(`hold "${name}"`);
  });

  it("must be there", async () => {
    await expect(readOverrides(join(root, "nowhere"))).rejects.toThrow(/cannot be read: ENOENT/);
    expect(await readOverrides(undefined)).toMatchObject({ files: [] });
  });
});

it("room that comes back is that of files without a second name elsewhere", async () => {
  const place = temporaryDirectory({ prefix: "mhr" }).path;
  mkdirSync(join(place, "copy"));
  for (const name of ["own", "kept"]) writeFileSync(join(place, "copy", name), Buffer.alloc(100_000, name));
  linkSync(join(place, "copy", "kept"), join(place, "elsewhere"));
  const all = await bytesBelow([join(place, "copy")]);
  expect(all).toBeGreaterThanOrEqual(200_000);
  expect(await bytesBelow([join(place, "copy")], true)).toBe(all / 2);
});

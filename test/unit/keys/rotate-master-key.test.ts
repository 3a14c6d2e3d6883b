/**
 * A rotation of the master key that is cut off between any two of its steps: nothing is lost at any instant, whoever reads
 * with whichever key, and a repeat completes it. The steps are the changes of names on the disk, which are made to fail from
 * a certain one on, as they do for a process that is killed.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openMessage, sealMessage, unwrapDataKey, type DataKey, type MasterKey } from "../../../src/encryption/index.ts";
import { prepareMasterKeyRotation, type MasterKeyRotation, type RotatedMasterKey } from "../../../src/keys/index.ts";
import { openDataKeys, readAllDataKeys, writeSecondCopyNote } from "../../../src/repository/index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import {
  addUser,
  createMasterKey,
  decryptUsers,
  masterKeySource,
  openUsersFile,
  readMasterKey,
  readMasterKeys,
  readUsers,
  rotationState,
} from "../../../src/vault/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { withoutSyncs } from "../../support/without-syncs.ts";

withoutSyncs();

const servers = ["one", "two"] as const;
let root = "";
let masterKeyFile = "";
let rotation: MasterKeyRotation;
/** What must stay readable: the keys, a password, and bytes that were sealed with the master key itself. */
let keys: Map<string, DataKey>;
let before: MasterKey;
let sealed: Buffer;
const usersFile = (): string => join(root, "etc/pgmoneta_users.conf");
const home = (): string => join(root, "home/.pgmoneta");

/** Made once: every world is a copy of it. */
let template: string | undefined;

async function makeTemplate(): Promise<string> {
  const at = temporaryDirectory({ prefix: "mrt" }).path;
  const key = join(at, "home/.pgmoneta/master.key");
  await mkdir(join(at, "home"));
  await createMasterKey(key, "the pass phrase so far");
  await mkdir(join(at, "etc"));
  const master = await readMasterKey(key);
  await addUser(await openUsersFile(join(at, "etc/pgmoneta_users.conf")), "repl", "s3cret", master);
  const storage = openLocalStorage(join(at, "repository"));
  for (const server of servers) {
    await storage.replaceFile(`${server}/wal/000000010000000000000001`, "raw");
    await storage.replaceFile(`${server}/backup/20261120090138/backup.info`, "info");
    const store = openDataKeys(storage, server, master);
    await store.current();
    await store.rotate();
  }
  const second = openLocalStorage(join(at, "second"));
  await second.makeDirectory("one/wal");
  for (const { name } of await storage.list("one/keys")) {
    await second.replaceFile(`one/keys/${name}`, await storage.readFile(`one/keys/${name}`, 4096));
  }
  return at;
}

/** A world like the template, in a place of its own. */
async function makeWorld(): Promise<void> {
  template ??= await makeTemplate();
  root = temporaryDirectory({ prefix: "mr" }).path;
  await copyTree(template, root);
  masterKeyFile = join(home(), "master.key");
  await writeSecondCopyNote(openLocalStorage(join(root, "repository")), "one", join(root, "second"));
  places = [
    ["repository", "one"],
    ["repository", "two"],
    ["second", "one"],
  ];
  before = await readMasterKey(masterKeyFile);
  sealed = sealMessage(before, "aes-256-gcm", Buffer.from("sealed with the master key itself"));
  keys = new Map();
  for (const server of servers) {
    const store = openDataKeys(openLocalStorage(join(root, "repository")), server, before);
    for (const id of await store.ids()) keys.set(id, await store.load(id));
  }
  rotation = {
    masterKeyFile,
    usersFiles: [usersFile(), join(root, "etc/pgmoneta_admins.conf")],
    repositories: [{ baseDir: join(root, "repository"), secondCopies: new Map() }],
    without: [],
    now: () => Date.parse("2026-11-20T09:01:38Z"),
  };
}

async function copyTree(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      await mkdir(target, { mode: 0o700 });
      await copyTree(source, target);
    } else await copyFile(source, target);
  }
}

const rotate = async (passphrase?: string, more: Partial<MasterKeyRotation> = {}): Promise<RotatedMasterKey> =>
  (await prepareMasterKeyRotation({ ...rotation, ...more })).run(passphrase);

let places: readonly [string, string][];

/** The smallest world in which everything is done: one server with one key, and its second copy. */
async function leaveOneServer(): Promise<void> {
  await rm(join(root, "repository/two"), { recursive: true });
  const kept = await openDataKeys(openLocalStorage(join(root, "repository")), "one", undefined).currentId();
  for (const id of keys.keys()) {
    if (id === kept) continue;
    for (const place of ["repository", "second"]) await rm(join(root, place, "one/keys", `${id}.key`), { force: true });
    keys.delete(id);
  }
  places = [
    ["repository", "one"],
    ["second", "one"],
  ];
}

/** Everything but the files that a rotation may change, by its content. */
async function untouched(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const walk = async (directory: string): Promise<void> => {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) await walk(path);
      else if (!/\/keys\/|\/etc\/|\.pgmoneta\//.test(path)) found.set(relative(root, path), createHash("sha256").update(await readFile(path)).digest("hex"));
    }
  };
  await walk(root);
  return found;
}

/** Whatever was stored is read, with the files as they are now, and by whoever still holds the old key in memory. */
async function expectReadable({ byOneKey = true } = {}): Promise<void> {
  for (const known of [undefined, before]) {
    for (const [place, server] of places) {
      const ring = await openDataKeys(openLocalStorage(join(root, place)), server, masterKeySource(masterKeyFile, known)).ring();
      const own = await openDataKeys(openLocalStorage(join(root, place)), server, undefined).ids();
      expect(own.length).toBeGreaterThan(0);
      for (const id of own) expect(ring(id)?.secret).toEqual(keys.get(id)?.secret);
      const masters = [ring.master, ...(ring.formerMasters ?? [])].flatMap((key) => key ?? []);
      expect(masters.some((key) => opens(key))).toBe(true);
    }
  }
  const { current, next, former } = await readMasterKeys(masterKeyFile);
  const all = [current, ...(next === undefined ? [] : [next]), ...former];
  expect(decryptUsers(await openUsersFile(usersFile()), all).get("repl")).toBe("s3cret");
  if (!byOneKey) return;
  // One master key alone, the old or the new one, is enough for every data key.
  const texts = await Promise.all(
    places.flatMap(([place, server]) => [...keys.keys()].map((id) => readFile(join(root, place, server, "keys", `${id}.key`), "utf8").catch(() => undefined))),
  );
  const allOpenedBy = (key: MasterKey): boolean => texts.every((text) => text === undefined || isOpened(key, text));
  expect(all.some(allOpenedBy)).toBe(true);
}

function opens(key: MasterKey): boolean {
  try {
    return openMessage(key, "aes-256-gcm", sealed).toString() === "sealed with the master key itself";
  } catch {
    return false;
  }
}

function isOpened(key: MasterKey, text: string): boolean {
  try {
    unwrapDataKey(key, text);
    return true;
  } catch {
    return false;
  }
}

/** The rotation is over: one key, one line a data key, and the old key opens nothing but what was sealed with it. */
async function expectRotated(): Promise<void> {
  expect(await rotationState(masterKeyFile)).toEqual({ next: false, previous: false });
  expect(await readdir(home())).toEqual(["master.key"]);
  const now = await readMasterKey(masterKeyFile);
  for (const [place, server] of places) {
    const directory = join(root, place, server, "keys");
    const names = await readdir(directory);
    expect(names.filter((name) => /^[0-9a-f]{32}\.master$/.test(name))).toHaveLength(1);
    for (const name of names.filter((each) => each.endsWith(".key"))) {
      const text = await readFile(join(directory, name), "utf8");
      expect(text.trim().split("\n")).toHaveLength(1);
      expect([isOpened(now, text), isOpened(before, text)]).toEqual([true, false]);
    }
  }
  expect((await readUsers(usersFile(), now)).get("repl")).toBe("s3cret");
  await expectReadable();
}

class Killed extends Error {}
type Call = (...args: unknown[]) => Promise<unknown>;
/** Each of them changes a name, which is what a step of the rotation ends with. */
const changing = ["rename", "link", "rm", "unlink", "mkdir"] as const;
const originals = new Map(changing.map((name) => [name, fs.promises[name] as unknown as Call]));
afterEach(() => {
  for (const [name, call] of originals) Object.assign(fs.promises, { [name]: call });
  syncBuiltinESMExports();
});

/** From the change number `last` on nothing reaches the disk any more. */
function killBefore(last: number): { readonly changes: () => number; readonly revive: () => void } {
  let made = 0;
  for (const [name, call] of originals) {
    const counting: Call = async (...args) => {
      made += 1;
      if (made >= last) throw new Killed();
      return call(...args);
    };
    Object.assign(fs.promises, { [name]: counting });
  }
  syncBuiltinESMExports();
  return {
    changes: () => made,
    revive() {
      for (const [name, call] of originals) Object.assign(fs.promises, { [name]: call });
      syncBuiltinESMExports();
    },
  };
}

describe("a rotation of the master key", () => {
  beforeEach(makeWorld);

  it("wraps every key anew, in the second copy too, and touches nothing else", async () => {
    const others = await untouched();
    const done = await rotate("another pass phrase");
    expect(done).toEqual({ keys: 6, usersFiles: [usersFile()], leftOut: [], kept: undefined, keptBefore: [] });
    await expectRotated();
    expect(await untouched()).toEqual(others);
    // What lies anywhere, sealed with a key that was replaced, is opened by the keys of the repository.
    const ring = await readAllDataKeys(openLocalStorage(join(root, "repository")), masterKeySource(masterKeyFile));
    expect([ring.master, ...(ring.formerMasters ?? [])].filter((key) => key !== undefined && opens(key))).toHaveLength(1);
  });

  it("that is cut off anywhere loses nothing, and the next call completes it", async () => {
    let cutOff = 0;
    for (let last = 1; ; last += 1) {
      await makeWorld();
      await leaveOneServer();
      const others = await untouched();
      const kill = killBefore(last);
      const ended = await rotate("another pass phrase").then(
        () => true,
        () => false,
      );
      const changes = kill.changes();
      kill.revive();
      await expectReadable();
      const state = await rotationState(masterKeyFile);
      const begun = state.next || state.previous;
      // Cut off before the first step.
      const same = (await readMasterKey(masterKeyFile)).material.equals(before.material);
      if (begun || same) await rotate(begun ? undefined : "another pass phrase");
      await expectRotated();
      expect(await untouched()).toEqual(others);
      if (ended && changes < last) break;
      cutOff += 1;
    }
    // The new key, two lines in two places, the former key, users, the switch, the old lines, the old key.
    expect(cutOff).toBeGreaterThan(20);
  });

  it("says after a failure that it is not over, and goes on only to the key that was begun", async () => {
    const kill = killBefore(12);
    await expect(rotate("another pass phrase")).rejects.toMatchObject({ code: "KEYS_ROTATION_CUT_OFF", retryable: true });
    kill.revive();
    expect((await prepareMasterKeyRotation(rotation)).resumes).toBe(true);
    await expect(rotate("yet another one")).rejects.toMatchObject({ code: "KEYS_OTHER_ROTATION" });
    await expectReadable();
    await rotate("another pass phrase");
    await expectRotated();
    expect(await readFile(masterKeyFile, "latin1")).toContain(Buffer.from("another pass phrase").toString("base64"));
  });

  it("again and again keeps every key that anything was sealed with", async () => {
    const first = before;
    const firstSealed = sealed;
    await rotate("the second pass phrase");
    before = await readMasterKey(masterKeyFile);
    await rotate("the third pass phrase");
    const ring = await openDataKeys(openLocalStorage(join(root, "second")), "one", masterKeySource(masterKeyFile)).ring();
    const former = (ring.formerMasters ?? []).map(({ material }) => material.toString("hex"));
    expect(former.sort()).toEqual([first, before].map(({ material }) => material.toString("hex")).sort());
    sealed = firstSealed;
    await expectReadable();
  });

  it("makes keys that begin meanwhile for both, so that none is lost", async () => {
    const kill = killBefore(12);
    await rotate("another pass phrase").catch(() => undefined);
    kill.revive();
    const { current, next } = await readMasterKeys(masterKeyFile);
    const made = await openDataKeys(openLocalStorage(join(root, "repository")), "two", masterKeySource(masterKeyFile, before)).rotate();
    const text = await readFile(join(root, "repository/two/keys", `${made.id}.key`), "utf8");
    expect([isOpened(current, text), next !== undefined && isOpened(next, text)]).toEqual([true, true]);
    await rotate();
    const now = masterKeySource(masterKeyFile);
    await expect(openDataKeys(openLocalStorage(join(root, "repository")), "two", now).current()).resolves.toMatchObject({ id: made.id });
  });

  it.each(["repository", "second"])("is refused while the %s cannot be reached, before anything is changed, unless that is left out", async (place) => {
    await rename(join(root, place), join(root, "away"));
    if (place === "second") await mkdir(join(root, place));
    await expect(rotate("another pass phrase")).rejects.toMatchObject({
      code: "KEYS_UNREACHABLE",
      message: expect.stringContaining(join(root, place)) as string,
      hint: expect.stringContaining("--without") as string,
    });
    expect(await readdir(home())).toEqual(["master.key"]);
    expect(await readMasterKey(masterKeyFile)).toEqual(before);

    const done = await rotate("another pass phrase", { without: [join(root, place)] });
    const kept = join(home(), "master.key.20261120090138.old");
    expect(done).toMatchObject({ leftOut: [join(root, place)], kept });
    await rm(join(root, place), { recursive: true, force: true });
    await rename(join(root, "away"), join(root, place));
    // It is read all the same, with the key that was kept, and the next rotation takes it along.
    await expectReadable({ byOneKey: false });
    const again = await rotate("the third pass phrase");
    expect(again).toMatchObject({ leftOut: [], kept: undefined, keptBefore: [kept] });
    await rm(kept);
    await expectReadable();
  });

  it("is refused where another repository lies in the place of the one that is known", async () => {
    const repositories = [{ baseDir: join(root, "repository"), id: "the id of another one", secondCopies: new Map<string, string>() }];
    await expect(rotate("another pass phrase", { repositories })).rejects.toMatchObject({ code: "KEYS_UNREACHABLE" });
    expect(await readdir(home())).toEqual(["master.key"]);
  });

  it("is refused, naming the file, when something cannot be opened with the key that is there", async () => {
    const [id = ""] = keys.keys();
    const file = join(root, "repository/one/keys", `${id}.key`);
    const whole = await readFile(file);
    await writeFile(file, "v1:damaged");
    await expect(rotate("another pass phrase")).rejects.toMatchObject({ code: "KEYS_DAMAGED", message: expect.stringContaining(file) as string });
    await writeFile(file, whole);
    await writeFile(usersFile(), `repl:${sealMessage({ material: Buffer.alloc(64) }, "aes-256-gcm", Buffer.from("x")).toString("base64")}\n`, { mode: 0o600 });
    await expect(rotate("another pass phrase")).rejects.toMatchObject({ code: "USERS_FILE_DAMAGED" });
    expect(await readdir(home())).toEqual(["master.key"]);
  });

  it("refuses the pass phrase that is in use, one that is too short, and a key behind a link", async () => {
    await expect(rotate("the pass phrase so far")).rejects.toMatchObject({ code: "KEYS_SAME_PASSPHRASE" });
    await expect(rotate("short")).rejects.toMatchObject({ code: "PASSWORD_REFUSED" });
    await expect(rotate()).rejects.toMatchObject({ code: "PASSWORD_REFUSED" });
    expect(await readdir(home())).toEqual(["master.key"]);
    await rename(masterKeyFile, join(home(), "elsewhere"));
    await symlink(join(home(), "elsewhere"), masterKeyFile);
    await expect(rotate("another pass phrase")).rejects.toMatchObject({ code: "MASTER_KEY_ROTATION_REFUSED" });
  });
});

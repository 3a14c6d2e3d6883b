import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { sealMessage, type MasterKey } from "../../../src/encryption/index.ts";
import {
  addUser,
  changeRole,
  createMasterKey,
  decryptAdmins,
  editUser,
  openUsersFile,
  readMasterKey,
  readUsers,
  reencryptUsers,
  removeUser,
  userNames,
} from "../../../src/vault/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let root = "";
let path = "";
let keyPath = "";
let masterKey: MasterKey;

// Deriving a key takes a quarter of a second: one for all tests.
beforeAll(async () => {
  keyPath = join(temporaryDirectory().path, "k/master.key");
  await createMasterKey(keyPath, "correct horse battery");
  masterKey = await readMasterKey(keyPath);
});
beforeEach(() => {
  root = temporaryDirectory().path;
  path = join(root, "users.conf");
});

const read = (): Promise<string> => readFile(path, "utf8");
const write = (text: string): Promise<void> => writeFile(path, text, { mode: 0o600 });
const add = async (name: string, password: string): Promise<void> => {
  await addUser(await openUsersFile(path), name, password, masterKey);
};

/** Keys as the documents about pgmoneta's format say, with nothing of ours. */
async function independentKey(salt: Buffer): Promise<Buffer> {
  const [phrase, masterSalt] = (await readFile(keyPath, "utf8")).split("\n").map((line) => Buffer.from(line, "base64"));
  const material = pbkdf2Sync(phrase ?? "", masterSalt ?? "", 600_000, 64, "sha256");
  return pbkdf2Sync(material, salt, 1, 80, "sha256").subarray(0, 32);
}

test("what is written opens with pgmoneta's scheme: salt, IV, ciphertext, tag; AES-256-GCM", async () => {
  await add("repl", "pässword: with # and 'quotes'");
  const [name, blob] = (await read()).trimEnd().split(":");
  const bytes = Buffer.from(blob ?? "", "base64");
  const decipher = createDecipheriv("aes-256-gcm", await independentKey(bytes.subarray(0, 16)), bytes.subarray(16, 28));
  decipher.setAuthTag(bytes.subarray(-16));
  expect(name).toBe("repl");
  expect(Buffer.concat([decipher.update(bytes.subarray(28, -16)), decipher.final()]).toString()).toBe(
    "pässword: with # and 'quotes'",
  );
});

test("what that scheme wrote is read", async () => {
  const [salt, iv] = [randomBytes(16), randomBytes(12)];
  const cipher = createCipheriv("aes-256-gcm", await independentKey(salt), iv);
  const sealed = Buffer.concat([salt, iv, cipher.update("from elsewhere"), cipher.final(), cipher.getAuthTag()]);
  await write(`# users\n; more\n\nadmin:${sealed.toString("base64")}\n`);
  expect([...(await readUsers(path, masterKey))]).toEqual([["admin", "from elsewhere"]]);
});

describe("adding, editing, removing", () => {
  test("keep the other lines, comments included, in their order", async () => {
    await write("# before\n");
    await add("a", "password of a");
    await add("b", "password of b");
    await write(`${await read()}; after\n`);
    await editUser(await openUsersFile(path), "a", "new one", masterKey);
    expect((await read()).split("\n").map((line) => line.split(":")[0])).toEqual(["# before", "a", "b", "; after", ""]);
    expect([...(await readUsers(path, masterKey))]).toEqual([
      ["a", "new one"],
      ["b", "password of b"],
    ]);
    const left = await removeUser(await openUsersFile(path), "a");
    expect(userNames(left)).toEqual(["b"]);
    expect((await read()).split("\n").map((line) => line.split(":")[0])).toEqual(["# before", "b", "; after", ""]);
  });

  test("the same password twice does not look the same", async () => {
    await add("a", "password");
    await add("b", "password");
    const [a, b] = (await read()).split("\n").map((line) => line.split(":")[1]);
    expect(a).not.toBe(b);
  });

  test("the file is private, and there is nothing beside it", async () => {
    await add("a", "password");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(root)).toEqual(["users.conf"]);
  });

  test("a link stays a link", async () => {
    await mkdir(join(root, "real"));
    await writeFile(join(root, "real/users"), "", { mode: 0o600 });
    await symlink(join(root, "real/users"), path);
    await add("a", "password");
    expect(await readFile(join(root, "real/users"), "utf8")).toMatch(/^a:/);
  });

  test("a user that is there, or is not, is an error and changes nothing", async () => {
    await add("a", "password");
    const before = await read();
    await expect(add("a", "other")).rejects.toMatchObject({ code: "USER_EXISTS" });
    await expect(editUser(await openUsersFile(path), "b", "x", masterKey)).rejects.toMatchObject({
      code: "USER_MISSING",
    });
    await expect(removeUser(await openUsersFile(path), "b")).rejects.toMatchObject({ code: "USER_MISSING" });
    expect(await read()).toBe(before);
  });

  test.each(["", "a:b", "#a", ";a", " a", "a\nb", "a\0", "x".repeat(128)])("the name %j is refused", async (name) => {
    await expect(add(name, "password")).rejects.toMatchObject({ code: "USER_NAME_REFUSED" });
  });

  test("names with blanks, other letters and signs come back", async () => {
    const names = ["two words", "übung", "a#b;c", '"quoted"', "x".repeat(127)];
    for (const name of names) await add(name, `password of ${name}`);
    expect([...(await readUsers(path, masterKey)).keys()]).toEqual(names);
  });

  test.each(["", "x".repeat(8192), "a\nb", "a\0b"])("a password such as %j is refused", async (password) => {
    await expect(add("a", password)).rejects.toMatchObject({ code: "PASSWORD_REFUSED" });
  });

  test("the longest password comes back", async () => {
    await add("a", "ü".repeat(4095));
    expect((await readUsers(path, masterKey)).get("a")).toBe("ü".repeat(4095));
  });
});

describe("damage is named with its line", () => {
  test.each([
    ["no colon", "# one\njust text\n", 2],
    ["no name", `:${"A".repeat(64)}\n`, 1],
    ["no base64", `a:${"*".repeat(64)}\n`, 1],
    ["too short", "a:AAAA\n", 1],
    ["a second entry of a name", `a:${"A".repeat(64)}\na:${"A".repeat(64)}\n`, 2],
  ])("%s", async (_what, text, line) => {
    await write(text);
    await expect(openUsersFile(path)).rejects.toMatchObject({ code: "USERS_FILE_DAMAGED", details: { line } });
  });

  test("one changed bit of a password, anywhere", async () => {
    await add("good", "password");
    await add("bad", "password");
    const [good, bad] = (await read()).split("\n");
    const blob = Buffer.from((bad ?? "").slice(4), "base64");
    for (const at of [0, 16, 28, blob.length - 1]) {
      const changed = Buffer.from(blob);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      await write(`${good ?? ""}\nbad:${changed.toString("base64")}\n`);
      await expect(readUsers(path, masterKey)).rejects.toMatchObject({
        code: "USERS_FILE_DAMAGED",
        details: { line: 2 },
      });
    }
  });

  test("another master key", async () => {
    await add("a", "password");
    await createMasterKey(join(root, "other/master.key"), "another phrase");
    await expect(readUsers(path, await readMasterKey(join(root, "other/master.key")))).rejects.toMatchObject({
      code: "USERS_FILE_DAMAGED",
    });
  });
});

test.each([0o644, 0o640, 0o620, 0o604])("mode %s is refused", async (mode) => {
  await add("a", "password");
  await chmod(path, mode);
  await expect(openUsersFile(path)).rejects.toMatchObject({ code: "UNSAFE_PERMISSIONS" });
});

test("a file that is not there has no users", async () => {
  const file = await openUsersFile(path);
  expect(file.exists).toBe(false);
  expect(userNames(file)).toEqual([]);
});

describe("roles of admins", () => {
  const admins = async () => Object.fromEntries(decryptAdmins(await openUsersFile(path), [masterKey]));

  test("are kept with the password, changed alone, kept by a change of the password, and pgmoneta's lines are those of admins", async () => {
    await addUser(await openUsersFile(path), "vera", "a", masterKey, "viewer");
    await add("alice", "b");
    expect(await admins()).toEqual({ vera: { password: "a", role: "viewer" }, alice: { password: "b", role: "admin" } });
    await editUser(await openUsersFile(path), "vera", "c", masterKey);
    await changeRole(await openUsersFile(path), "alice", "operator", masterKey);
    expect(await admins()).toEqual({ vera: { password: "c", role: "viewer" }, alice: { password: "b", role: "operator" } });
    await editUser(await openUsersFile(path), "vera", "d", masterKey, "operator");
    // An admin without limits is written as pgmoneta writes it.
    await changeRole(await openUsersFile(path), "alice", "admin", masterKey);
    expect((await readUsers(path, masterKey).catch((error: unknown) => error)) as object).toMatchObject({ code: "USERS_FILE_DAMAGED", details: { line: 1 } });
    await removeUser(await openUsersFile(path), "vera");
    expect(Object.fromEntries(await readUsers(path, masterKey))).toEqual({ alice: "b" });
  });

  test("that this version does not know give no rights at all", async () => {
    const sealed = sealMessage(masterKey, "aes-256-gcm", Buffer.from("\nrole=emperor\nsecret")).toString("base64");
    await write(`nero:${sealed}\n`);
    await expect(admins()).rejects.toMatchObject({ code: "USERS_FILE_DAMAGED" });
  });

  test("outlive another master key", async () => {
    await addUser(await openUsersFile(path), "vera", "a", masterKey, "viewer");
    const next = { ...masterKey, material: Buffer.alloc(64, 3) };
    expect(await reencryptUsers(await openUsersFile(path), [masterKey], next)).toBe(1);
    expect(decryptAdmins(await openUsersFile(path), [next]).get("vera")).toEqual({ password: "a", role: "viewer" });
  });
});

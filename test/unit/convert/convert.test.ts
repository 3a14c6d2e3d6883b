/** Conversions of single files: there and back, what is refused, and that a failure leaves everything as it was. */
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { convert, type Conversion, type ConversionProgress, type Converted, type ConvertOptions } from "../../../src/convert/index.ts";
import {
  createDataKey,
  createSealer,
  deriveMasterKey,
  openMessage,
  sealMessage,
  type MasterKey,
} from "../../../src/encryption/index.ts";
import { linkedLz4 } from "../../support/linked-lz4.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let master: MasterKey;
const dataKey = createDataKey();
beforeAll(async () => {
  master = await deriveMasterKey("a long pass phrase", Buffer.alloc(16, 1));
});

const plain = sampleBytes(2 * 1024 * 1024 + 5, "text", 5);
const compressions = ["gzip", "zstd", "lz4", "bzip2"] as const;
const tools = { gzip: "gzip", zstd: "zstd", lz4: "lz4", bzip2: "bzip2" } as const;

function run(
  conversion: Conversion,
  file: string,
  more: Partial<ConvertOptions> = {},
  signal = new AbortController().signal,
): Promise<Converted> {
  const ring = Object.assign((id: string) => (id === dataKey.id ? dataKey : undefined), { master });
  return convert(
    {
      conversion,
      file,
      compression: "zstd",
      cipher: "aes-256-gcm",
      masterKey: async () => master,
      keys: async () => ring,
      repository: "/nowhere/at/all",
      workers: 2,
      ...more,
    },
    signal,
  );
}

/** Tells of each sync of a file or directory, before it is done, until the answer is called. */
async function beforeEachSync(tell: () => void): Promise<() => void> {
  const handle = await open("/dev/null", "r");
  const prototype = Object.getPrototypeOf(handle) as { sync: () => Promise<void> };
  await handle.close();
  const { sync } = prototype;
  prototype.sync = async function () {
    tell();
    await sync.call(this);
  };
  return () => {
    prototype.sync = sync;
  };
}

function place(name: string, content: Uint8Array): { readonly directory: string; readonly file: string } {
  const { path: directory } = temporaryDirectory();
  const file = join(directory, name);
  writeFileSync(file, content);
  return { directory, file };
}

describe("a file is converted in place", () => {
  test.each(compressions)("with %s, which the public tool reads, and back", async (compression) => {
    const { directory, file } = place("data of mine", plain);
    chmodSync(file, 0o640);
    utimesSync(file, 1_600_000_000, 1_600_000_000);
    const { destination, size, sourceSize } = await run("compress", file, { compression });
    expect(readdirSync(directory)).toEqual([destination.slice(directory.length + 1)]);
    expect({ sourceSize, size }).toEqual({ sourceSize: plain.length, size: statSync(destination).size });
    expect(statSync(destination).mode & 0o777).toBe(0o640);
    const decoded = execFileSync(tools[compression], ["-dc"], { input: readFileSync(destination), maxBuffer: 1e8 });
    expect(decoded.equals(plain)).toBe(true);
    expect((await run("decompress", destination)).destination).toBe(file);
    expect(readdirSync(directory)).toEqual(["data of mine"]);
    expect(readFileSync(file).equals(plain)).toBe(true);
    expect(statSync(file)).toMatchObject({ mode: 0o100640, mtimeMs: 1_600_000_000_000 });
  });

  test.each(["aes-256-gcm", "aes-192-gcm", "aes-128-gcm"] as const)(
    "with %s as pgmoneta does, and back with another one configured",
    async (cipher) => {
      const { directory, file } = place("f.zstd", plain);
      const { destination } = await run("encrypt", file, { cipher });
      expect(destination).toBe(`${file}.aes`);
      expect(openMessage(master, cipher, readFileSync(destination)).equals(plain)).toBe(true);
      expect(readdirSync(directory)).toEqual(["f.zstd.aes"]);
      await run("decrypt", destination, { cipher: "aes-128-gcm" });
      expect(readdirSync(directory)).toEqual(["f.zstd"]);
      expect(readFileSync(file).equals(plain)).toBe(true);
    },
  );

  test.each(["compress", "decompress", "encrypt", "decrypt"] as const)("with progress that only grows, from nothing to all: %s", async (conversion) => {
    const before = { decompress: "compress", decrypt: "encrypt" } as const;
    let { file } = place("f", plain);
    if (conversion === "decompress" || conversion === "decrypt") file = (await run(before[conversion], file)).destination;
    const { size } = statSync(file);
    const told: ConversionProgress[] = [];
    await run(conversion, file, { onProgress: (progress) => told.push(progress) });
    const [first, last] = [told[0], told.at(-1)];
    expect(first).toEqual({ phase: "convert", done: 0, total: 2 * size, temporary: expect.stringMatching(/\.tmp$/) as string });
    expect(last).toEqual({ ...first, phase: "read back", done: 2 * size });
    expect(told.map(({ done }) => done)).toEqual(told.map(({ done }) => done).sort((a, b) => a - b));
    expect(told.filter(({ phase }) => phase === "convert").at(-1)?.done).toBe(size);
  });

  test("and what is written to it while its new form gets its name is not lost", async () => {
    const added: number[] = [];
    for (let number = 1; added.length === number - 1; number += 1) {
      const { file } = place(`f${number}`, plain);
      let syncs = 0;
      const restore = await beforeEachSync(() => {
        syncs += 1;
        if (syncs !== number || !existsSync(file)) return;
        appendFileSync(file, "more");
        added.push(number);
      });
      const outcome = await run("compress", file)
        .then(
          () => "converted",
          (error: unknown) => (error as { code?: string }).code,
        )
        .finally(restore);
      const isAdded = added.includes(number);
      expect(outcome).toBe(isAdded ? "CONVERT_FILE_CHANGED" : "converted");
      if (isAdded) expect(readFileSync(file).equals(Buffer.concat([plain, Buffer.from("more")]))).toBe(true);
    }
    expect(added.length).toBeGreaterThan(2);
  });

  test("also when it is empty", async () => {
    for (const compression of compressions) {
      const { directory, file } = place("empty", Buffer.alloc(0));
      const packed = await run("compress", file, { compression });
      const sealed = await run("encrypt", packed.destination);
      await run("decrypt", sealed.destination);
      await run("decompress", packed.destination);
      expect(readdirSync(directory)).toEqual(["empty"]);
      expect(statSync(file).size).toBe(0);
    }
  });

  test("from the forms of our repository and of pgmoneta's", async () => {
    const sealer = createSealer("aes-192-gcm", dataKey);
    const half = plain.length >> 1;
    const container = Buffer.concat([
      sealer.header(),
      sealer.seal(plain.subarray(0, half), false),
      sealer.seal(plain.subarray(half), true),
    ]);
    const ours = place("a.tar.aes", container);
    await run("decrypt", ours.file);
    expect(readFileSync(join(ours.directory, "a.tar")).equals(plain)).toBe(true);
    const theirs = place("segment.lz4.aes", sealMessage(master, "aes-256-gcm", await linkedLz4(plain)));
    await run("decrypt", theirs.file);
    await run("decompress", join(theirs.directory, "segment.lz4"));
    expect(readFileSync(join(theirs.directory, "segment")).equals(plain)).toBe(true);
  });
});

test("what was sealed with a master key that was replaced is opened by that one, whatever its cipher, and by no other", async () => {
  const [now, older, stranger] = [1, 2, 3].map((byte): MasterKey => ({ material: Buffer.alloc(64, byte) }));
  if (now === undefined || older === undefined || stranger === undefined) throw new Error("there are three keys");
  const ring = Object.assign(() => undefined, { master: now, formerMasters: [older, master] });
  for (const [key, cipher] of [[master, "aes-192-gcm"], [now, "aes-256-gcm"], [older, "aes-128-gcm"], [master, "aes-256-gcm"]] as const) {
    const { directory, file } = place("f.aes", sealMessage(key, cipher, plain));
    await run("decrypt", file, { keys: async () => ring });
    expect(readFileSync(join(directory, "f")).equals(plain)).toBe(true);
  }
  const { file } = place("f.aes", sealMessage(stranger, "aes-256-gcm", plain));
  await expect(run("decrypt", file, { keys: async () => ring })).rejects.toMatchObject({ code: "CONVERT_FILE_DAMAGED" });
});

describe("a conversion is refused, and everything stays as it was", () => {
  const refusals: [what: string, conversion: Conversion, name: string, code: string][] = [
    ["to compress what is compressed", "compress", "f.gz", "CONVERT_NAME"],
    ["to compress what is encrypted", "compress", "f.aes", "CONVERT_NAME"],
    ["to encrypt what is encrypted", "encrypt", "f.zstd.aes", "CONVERT_NAME"],
    ["to decompress what is encrypted", "decompress", "f.zstd.aes", "CONVERT_NAME"],
    ["to decompress what has no suffix", "decompress", "f", "CONVERT_NAME"],
    ["to decompress what is nothing but a suffix", "decompress", ".gz", "CONVERT_NAME"],
    ["to decrypt what has no suffix", "decrypt", "f.gz", "CONVERT_NAME"],
    ["to decompress what is none", "decompress", "f.zstd", "CONVERT_FILE_DAMAGED"],
    ["to decompress what is none (gzip)", "decompress", "f.gz", "CONVERT_FILE_DAMAGED"],
    ["to decompress what is none (lz4)", "decompress", "f.lz4", "CONVERT_FILE_DAMAGED"],
    ["to decompress what is none (bzip2)", "decompress", "f.bz2", "CONVERT_FILE_DAMAGED"],
    ["to decrypt what is none", "decrypt", "f.aes", "CONVERT_FILE_DAMAGED"],
  ];
  test.each(refusals)("%s", async (_what, conversion, name, code) => {
    const { directory, file } = place(name, plain);
    await expect(run(conversion, file)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(file) as string,
    });
    expect(readdirSync(directory)).toEqual([name]);
    expect(readFileSync(file).equals(plain)).toBe(true);
  });

  test.each([
    ["compress", "f", "f.zstd"],
    ["decompress", "f.zstd", "f"],
    ["encrypt", "f", "f.aes"],
    ["decrypt", "f.aes", "f"],
  ] as const)("to %s over a file that is there", async (conversion, name, taken) => {
    const { directory, file } = place(name, plain);
    writeFileSync(join(directory, taken), "precious");
    await expect(run(conversion, file)).rejects.toMatchObject({ code: "TARGET_EXISTS" });
    expect(readdirSync(directory).sort()).toEqual([name, taken].sort());
    expect(readFileSync(join(directory, taken), "utf8")).toBe("precious");
  });

  test("for what is no ordinary file, not there, or in the repository", async () => {
    const { directory, file } = place("f", plain);
    symlinkSync(file, join(directory, "link"));
    mkdirSync(join(directory, "d"));
    await expect(run("compress", join(directory, "link"))).rejects.toMatchObject({ code: "CONVERT_REFUSED" });
    await expect(run("compress", join(directory, "d"))).rejects.toMatchObject({ code: "CONVERT_REFUSED" });
    await expect(run("compress", join(directory, "none"))).rejects.toMatchObject({ code: "CONVERT_NO_FILE" });
    symlinkSync(directory, join(temporaryDirectory().path, "way"));
    await expect(run("compress", file, { repository: directory })).rejects.toMatchObject({ code: "CONVERT_REFUSED" });
    expect(readdirSync(directory).sort()).toEqual(["d", "f", "link"]);
  });

  test("with a key that is not the right one, or none", async () => {
    const { directory, file } = place("f.aes", sealMessage(master, "aes-256-gcm", plain));
    const other = await deriveMasterKey("another pass phrase", Buffer.alloc(16, 1));
    const ring = Object.assign(() => undefined, { master: other });
    await expect(run("decrypt", file, { keys: async () => ring })).rejects.toMatchObject({
      code: "CONVERT_FILE_DAMAGED",
    });
    await expect(run("decrypt", file, { keys: async () => () => undefined })).rejects.toMatchObject({
      code: "ENCRYPTION_KEY_UNKNOWN",
    });
    expect(readdirSync(directory)).toEqual(["f.aes"]);
  });

  test("when the file is changed meanwhile, or the command is cancelled", async () => {
    const { directory, file } = place("f", plain);
    const masterKey = async (): Promise<MasterKey> => {
      appendFileSync(file, "more");
      return master;
    };
    await expect(run("encrypt", file, { masterKey })).rejects.toMatchObject({ code: "CONVERT_FILE_CHANGED" });
    await expect(run("compress", file, {}, AbortSignal.abort(new Error("enough")))).rejects.toThrow();
    expect(readdirSync(directory)).toEqual(["f"]);
  });

  test("for more than one message of AES-GCM can hold", async () => {
    const { directory, file } = place("f", Buffer.alloc(0));
    truncateSync(file, 2 ** 36 - 31);
    await expect(run("encrypt", file)).rejects.toMatchObject({
      code: "CONVERT_TOO_LARGE",
      message: expect.stringContaining("68719476704") as string,
    });
    expect(readdirSync(directory)).toEqual(["f"]);
  });
});

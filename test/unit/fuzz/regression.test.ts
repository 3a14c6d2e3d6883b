/** What fuzzing found, as short as it gets; `Buffer.from(text, "base64")` of a printed input has its place here too. */
import { describe, expect, test } from "vitest";
import { createDecoder } from "../../../src/compression/index.ts";
import { parseIni } from "../../../src/config/index.ts";
import { suggestion } from "../../../src/config/suggestion.ts";
import { fromJob } from "../../../src/ipc/index.ts";
import { createFrameReader, decodeFrame, encodeFrame, maxRequestDocumentBytes, parseJson } from "../../../src/management/index.ts";
import { lsn, parseHistory, pathFromBytes, pathToBytes, readSettings, timelineId } from "../../../src/postgres/index.ts";
import { crc32c } from "../../../src/pipeline/index.ts";
import { createWalMessageDecoder } from "../../../src/replication/wal-message.ts";
import { formatBackupInfo, openWalCoverage, parseBackupInfo, serverLayout, type OwnFacts } from "../../../src/repository/index.ts";
import { formatChecked } from "../../../src/repository/checked-json.ts";
import { formatWalRecord, parseWalRecord } from "../../../src/repository/wal-index.ts";
import { cronProblem } from "../../../src/schedule/index.ts";
import { forcedMemory } from "../repository/forced-memory.ts";
import { sample } from "../repository/sample-backup.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";

const megabyte = 1024 * 1024;
const code = (wanted: string): unknown => expect.objectContaining({ name: "MonetaError", code: wanted });

describe("what a server sends", () => {
  test("a history line with megabytes of blanks within its reason is read at once", () => {
    const { entries } = parseHistory(`1\t0/1\ta${" ".repeat(4 * megabyte)}b\n`, timelineId(2));
    expect(entries[0]?.reason).toHaveLength(4 * megabyte + 2);
  });

  test("WAL beyond the last position is refused before any byte of it is handed on", () => {
    const told: number[] = [];
    const decoder = createWalMessageDecoder({
      data: (_start, piece) => told.push(piece.length),
      dataEnd: (end) => told.push(Number(end - lsn(0xffff_ffff_ffff_ff00n))),
      keepalive: () => undefined,
    });
    const message = (start: bigint, length: number): void => {
      const header = Buffer.alloc(25 + length);
      header[0] = 0x77;
      header.writeBigUInt64BE(start, 1);
      decoder.start(header.length);
      decoder.piece(header);
      decoder.end();
    };
    message(0xffff_ffff_ffff_fff0n, 15);
    expect(told).toEqual([15, 255]);
    expect(() => {
      message(0xffff_ffff_ffff_fff0n, 16);
    }).toThrow(code("SERVER_PROTOCOL"));
    expect(told).toHaveLength(2);
  });

  test("a value of megabytes that is no UTF-8 becomes a string and its bytes again", () => {
    for (const unit of [Buffer.of(0xff), Buffer.from([0x61, 0xff]), Buffer.from("\u00e9\u{1f600}"), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xf0, 0x9f])]) {
      const bytes = Buffer.concat([Buffer.alloc(2 * megabyte, unit), Buffer.of(0xfe)]);
      expect(pathToBytes(pathFromBytes(bytes)).equals(bytes)).toBe(true);
    }
  });
});

describe("a management client", () => {
  test("that sends byte by byte takes no more memory than what it sent", async () => {
    const { gc } = globalThis;
    const bytes = await encodeFrame(`"${"x".repeat(megabyte / 2)}"`, { compression: "none", encryption: "none" }, undefined);
    const reader = createFrameReader(megabyte);
    const one = Buffer.alloc(1);
    gc?.();
    const before = process.memoryUsage();
    let frame;
    for (let at = 0; at < bytes.length; at += 1) {
      one[0] = bytes[at] ?? 0;
      if (at === bytes.length - 1) {
        gc?.();
        const { heapUsed, external } = process.memoryUsage();
        // Five hundred thousand buffers of one byte would be sixty megabytes.
        expect(heapUsed + external - before.heapUsed - before.external).toBeLessThan(24 * megabyte);
      }
      frame = reader.push(one);
    }
    if (frame === undefined) throw new Error("the frame is not complete");
    expect(await decodeFrame(frame, undefined, maxRequestDocumentBytes)).toBe(`"${"x".repeat(megabyte / 2)}"`);
  });

  test("cannot have a number of a million digits worked out", () => {
    expect(() => parseJson("1".repeat(65))).toThrow(code("MANAGEMENT_DOCUMENT_INVALID"));
    expect(() => parseJson(`0.${"0".repeat(megabyte)}`)).toThrow(code("MANAGEMENT_DOCUMENT_INVALID"));
    expect(parseJson("18446744073709551615")).toBe(18446744073709551615n);
  });
});

describe("files of the repository", () => {
  const repository = eachTestHasARepository();
  const read = (own: Partial<OwnFacts>, change: (text: string) => string): unknown => {
    const foreign = change(formatBackupInfo(sample({}, own)).toString());
    return parseBackupInfo(Buffer.from(foreign), "backup.info", sample({}).label);
  };
  /** Without the marks of ours it is taken for one of pgmoneta's, which has no digest. */
  const asForeign = (change: (text: string) => string) => (text: string): string =>
    change(text.replace(/^PGMONETA_VERSION=.*$/m, "PGMONETA_VERSION=0.22.0").replace(/^(?:DIGEST|MONETA_FORMAT)=.*\n/gm, ""));

  test("a backup.info with a code that is no number is damaged, not one without compression", () => {
    expect(read({}, asForeign((text) => text))).toMatchObject({ compression: "zstd" });
    for (const wrong of ["", "abc", "0x1", "1.0", " 1"]) {
      expect(() => read({}, asForeign((text) => text.replace(/^COMPRESSION=.*$/m, `COMPRESSION=${wrong}`)))).toThrow(code("BACKUP_DAMAGED"));
      expect(() => read({}, asForeign((text) => text.replace(/^ENCRYPTION=.*$/m, `ENCRYPTION=${wrong}`)))).toThrow(code("BACKUP_DAMAGED"));
    }
  });

  test("a backup.info with a duration beyond all numbers is damaged", () => {
    expect(() => read({}, asForeign((text) => text.replace(/^ELAPSED=.*$/m, `ELAPSED=${"9".repeat(400)}`)))).toThrow(code("BACKUP_DAMAGED"));
  });

  test("a backup.info with a moment that does not exist is damaged", async () => {
    const { createHash } = await import("node:crypto");
    for (const moment of ["2026-13-01T00:00:00.000Z", "2026-02-30T00:00:00.000Z", "2026-11-20T24:00:00.000Z"]) {
      const change = (text: string): string => {
        const body = text.replace(/^START_TIME=.*$/m, `START_TIME=${moment}`).replace(/^DIGEST=.*\n/m, "");
        return `${body}DIGEST=${createHash("sha256").update(body).digest("hex")}\n`;
      };
      expect(() => read({}, change)).toThrow(code("BACKUP_DAMAGED"));
    }
  });

  test("a wal_coverage.json with a moment beyond the end of time proves nothing", async () => {
    const path = serverLayout("primary").walCoverage;
    const coverage = openWalCoverage(repository.storage, "primary");
    const write = (serverTime: number): Promise<void> => repository.put(path, formatChecked({ version: 2, timeline: 1, lsn: "0/1", serverTime }));
    await write(8_640_000_000_000_000);
    expect(await coverage.read()).toMatchObject({ serverTime: 8_640_000_000_000_000 });
    await write(8_640_000_000_000_001);
    expect(await coverage.read()).toBeUndefined();
  });

  test("a record of archived WAL with a size of -0 is none of ours", () => {
    const record = {
      segment: "000000010000000000000003",
      suffix: "",
      hash: "sha256" as const,
      plainSize: 5,
      plainDigest: "a".repeat(64),
      plainCrc32c: 1,
      storedSize: 5,
      storedDigest: "a".repeat(64),
      headerSize: 0,
      chunks: [],
      archivedAt: 0,
    };
    expect(parseWalRecord(formatWalRecord(record))).toEqual(record);
    const body = formatWalRecord(record).replace("\"plainSize\":5", "\"plainSize\":-0").replace(/,"crc32c":[0-9]+\}$/, "");
    expect(parseWalRecord(`${body},"crc32c":${crc32c(body)}}`)).toBeUndefined();
  });
});

describe("files of operators", () => {
  test("a setting of megabytes is a line that is refused, not a stack that overflows", () => {
    for (const value of [`'${"x".repeat(8 * megabyte)}'`, `'${"''".repeat(4 * megabyte)}'`]) {
      expect(() => readSettings(`port = 1\na = ${value}\n`, "postgresql.conf")).toThrow(code("POSTGRES_SETTINGS_INVALID"));
    }
    expect(readSettings(`a = '${"x".repeat(200_000)}'\n`, "f").get("a")).toHaveLength(200_000);
  });

  test("a configuration with three hundred thousand sections is read at once", () => {
    const text = Array.from({ length: 300_000 }, (_, index) => `[s${index}]\n`).join("");
    expect(parseIni("pgmoneta.conf", text).sections).toHaveLength(300_000);
    expect(parseIni("f", "[a]\nb=1\n[a]\nc=2\n").sections).toMatchObject([{ name: "a", entries: [{ key: "b" }, { key: "c" }] }]);
  });

  test("cron expressions of earlier configurations are not kept for ever", () => {
    const before = forcedMemory();
    for (let index = 0; index < 1000; index += 1) expect(cronProblem(`${index % 60} ${index % 24} ${1 + (index % 28)} * *`)).toBeUndefined();
    // One takes 80 kB.
    expect(forcedMemory() - before).toBeLessThan(40 * megabyte);
  });

  test("a key of megabytes is held against no key that there is", () => {
    const before = process.cpuUsage();
    expect(suggestion(`retent${"i".repeat(2 * megabyte)}on`, Array.from({ length: 100 }, (_, index) => `retention${index}`))).toBeUndefined();
    // Each letter against each of the keys would be minutes.
    expect(process.cpuUsage(before).user).toBeLessThan(5_000_000);
  });
});

test("a message of a child that is nested a hundred thousand times is refused", () => {
  const facts = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  const message: unknown = JSON.parse(`{"type":"result","result":{"label":null,"notes":[],"facts":${facts}}}`);
  expect(() => fromJob(message, "message")).toThrow(code("IPC_MESSAGE"));
});

describe("a frame of millions of tiny blocks", () => {
  const source = async function* (header: string, block: readonly number[], end: readonly number[]): AsyncGenerator<Buffer> {
    yield Buffer.from(header, "hex");
    const many = Buffer.alloc(64 * 1024 * block.length, Buffer.from(block));
    for (let piece = 0; piece < 24; piece += 1) {
      for (let at = 0; at < many.length; at += 16 * 1024) yield many.subarray(at, at + 16 * 1024);
    }
    yield Buffer.from(end);
  };
  const lengthOf = async (method: "zstd" | "lz4", pieces: AsyncIterable<Uint8Array>): Promise<number> => {
    let length = 0;
    for await (const piece of createDecoder(method).decode(pieces)) length += piece.length;
    return length;
  };

  test("of zstd is walked once", async () => {
    expect(await lengthOf("zstd", source("28b52ffd0058", [0, 0, 0], [1, 0, 0]))).toBe(0);
  });

  test("of LZ4 is walked once", async () => {
    expect(await lengthOf("lz4", source("04224d18604082", [1, 0, 0, 0x80, 0x61], [0, 0, 0, 0]))).toBe(24 * 64 * 1024);
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { baseBackupCommand } from "../../../src/replication/base-backup-command.ts";
import { createMultipleCopiesDecoder, createSingleCopyDecoder, type BaseBackupDecoder, type BaseBackupParts } from "../../../src/replication/base-backup-decoder.ts";
import { backend } from "../../support/backend-messages.ts";

describe("the command", () => {
  test("is a list of keywords for 13 and 14, and of options from 15 on", () => {
    expect(baseBackupCommand(130_000, { label: "a'b", maxRateKb: 100 })).toBe(
      "BASE_BACKUP LABEL 'a''b' PROGRESS FAST NOWAIT MAX_RATE 100 TABLESPACE_MAP MANIFEST 'yes' MANIFEST_CHECKSUMS 'CRC32C'",
    );
    expect(baseBackupCommand(140_000, { label: "l", checkpoint: "spread", verifyChecksums: false })).toBe(
      "BASE_BACKUP LABEL 'l' PROGRESS NOWAIT TABLESPACE_MAP NOVERIFY_CHECKSUMS MANIFEST 'yes' MANIFEST_CHECKSUMS 'CRC32C'",
    );
    const newer = baseBackupCommand(150_018, { label: "a\\b", compression: { method: "zstd", detail: "level=3" } });
    expect(newer).toBe(
      "BASE_BACKUP (LABEL 'a\\b', PROGRESS true, CHECKPOINT 'fast', WAIT false, WAL false, TABLESPACE_MAP true, " +
        "VERIFY_CHECKSUMS true, MANIFEST 'yes', MANIFEST_CHECKSUMS 'CRC32C', COMPRESSION 'zstd', COMPRESSION_DETAIL 'level=3')",
    );
  });

  test("is refused where the server cannot do it, or would not understand it", () => {
    const unsupported = expect.objectContaining({ code: "BASE_BACKUP_OPTION_UNSUPPORTED" }) as unknown;
    expect(() => baseBackupCommand(140_000, { label: "l", compression: { method: "gzip" } })).toThrow(unsupported);
    for (const maxRateKb of [31, 1_048_577, 100.5, -1, Number.NaN]) {
      expect(() => baseBackupCommand(150_000, { label: "l", maxRateKb })).toThrow(unsupported);
    }
    // A line break would write lines of its own into backup_label.
    expect(() => baseBackupCommand(150_000, { label: "a\nSTART WAL LOCATION: 0/0" })).toThrow(expect.objectContaining({ code: "CONNECTION_MISUSE" }));
  });
});

function collector(): { parts: BaseBackupParts; seen: string[] } {
  const seen: string[] = [];
  let data = "";
  const flush = (name: string): void => {
    seen.push(`${name} ${data}`);
    data = "";
  };
  const add = (piece: Buffer): void => {
    expect(piece.length).toBeGreaterThan(0);
    data += piece.toString("latin1");
  };
  return {
    seen,
    parts: {
      archive: (name, oid) => seen.push(`archive ${name} ${oid}`),
      archiveData: add,
      archiveEnd: () => {
        flush("end");
      },
      manifestData: add,
      manifestEnd: () => {
        flush("manifest");
      },
      progress: (bytes) => seen.push(`progress ${bytes}`),
    },
  };
}

/** Feeds CopyData messages, their payloads cut into pieces of the given sizes. */
function feed(decoder: BaseBackupDecoder, messages: readonly Buffer[], cuts: readonly number[]): void {
  let cut = 0;
  for (const message of messages) {
    const payload = message.subarray(5);
    decoder.messageStart();
    for (let at = 0; at < payload.length; cut++) {
      const length = cuts[cut % cuts.length] ?? 1;
      decoder.piece(payload.subarray(at, at + length));
      at += length;
    }
    decoder.messageEnd();
  }
}

const tablespaces = [
  { oid: 16_384, location: "/x", size: 1024 },
  { oid: undefined, location: undefined, size: 2048 },
];

describe("the single COPY of 15 and later", () => {
  const messages = [
    backend.archive("16384.tar", "/some where"),
    backend.archiveData("abc"),
    backend.progress(3n),
    backend.archiveData("def"),
    backend.archive("base.tar.gz"),
    backend.archiveData("ghi"),
    backend.manifest(),
    backend.archiveData("{}"),
  ];

  test("yields archives, data and manifest wherever the messages are cut", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (cuts) => {
        const { parts, seen } = collector();
        const decoder = createSingleCopyDecoder(parts);
        decoder.copyBegin(0, tablespaces);
        feed(decoder, messages, cuts);
        decoder.copyEnd();
        expect(seen).toEqual(["archive 16384.tar 16384", "progress 3", "end abcdef", "archive base.tar.gz undefined", "end ghi", "manifest {}"]);
      }),
    );
  });

  test.each([
    ["data before an archive", [backend.archiveData("x")]],
    ["an archive after the manifest", [backend.manifest(), backend.archive("base.tar")]],
    ["a second manifest", [backend.manifest(), backend.manifest()]],
    ["an archive that leads out of the backup", [backend.archive("../etc/passwd")]],
    ["an archive without a name", [backend.archive("")]],
    ["an archive header that never ends", [backend.copyData("nbase.tar", Buffer.alloc(20_000, "x"))]],
    ["a progress message of a wrong length", [backend.copyData("p123")]],
    ["an unknown message", [backend.copyData("z")]],
    ["an empty message", [backend.copyData("")]],
  ])("%s is refused", (_what, wrong) => {
    const decoder = createSingleCopyDecoder(collector().parts);
    decoder.copyBegin(0, tablespaces);
    expect(() => {
      feed(decoder, wrong, [100]);
    }).toThrow(expect.objectContaining({ code: "SERVER_PROTOCOL" }));
  });
});

describe("the several COPYs of 13 and 14", () => {
  test("are the tablespaces in their order, then the manifest", () => {
    const { parts, seen } = collector();
    const decoder = createMultipleCopiesDecoder(parts);
    for (const [index, text] of ["abc", "def", "{}"].entries()) {
      decoder.copyBegin(index, tablespaces);
      feed(decoder, [backend.copyData(text)], [2]);
      decoder.copyEnd();
    }
    expect(seen).toEqual(["archive 16384.tar 16384", "progress 3", "end abc", "archive base.tar undefined", "progress 6", "end def", "manifest {}"]);
    expect(() => {
      decoder.copyBegin(3, tablespaces);
    }).toThrow(expect.objectContaining({ code: "SERVER_PROTOCOL" }));
  });
});

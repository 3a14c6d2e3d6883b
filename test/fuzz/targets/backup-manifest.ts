/** backup_manifest, as a server sends it. */
import { createHash } from "node:crypto";
import { createManifestReader } from "../../../src/postgres/index.ts";
import { manifestText } from "../../unit/postgres/manifest-writer.ts";
import { mustHold, type FuzzTarget } from "../engine/target.ts";
import { readBothWays } from "./transcript.ts";

const files = [
  { path: "backup_label", size: 226, checksum: "a19baa81" },
  { path: "base/5/1259", size: 114688, checksum: "00000000" },
  { encoded: "62617365ff", size: 0 },
  { path: "global/pg_\u00e9\u{1f600}", size: 8192, algorithm: "SHA256", checksum: "a".repeat(64) },
];
const ranges = [{ timeline: 1, start: "0/2000028", end: "0/2000100" }];

const corpus = [
  manifestText({ version: 1, files, ranges }),
  manifestText({ version: 2, systemIdentifier: "7412345678901234567", files, ranges: [...ranges, { timeline: 2, start: "0/1", end: "FFFFFFFF/FFFFFFFF" }] }),
  manifestText({ version: 1, files: [], ranges }),
  manifestText({ version: 3, systemIdentifier: "1", files, ranges }),
].map((text) => Buffer.from(text));

const lastLine = Buffer.from("\"Manifest-Checksum\"");

function repair(input: Buffer): Buffer {
  const at = input.lastIndexOf(lastLine);
  if (at < 0) return input;
  const body = input.subarray(0, at);
  return Buffer.concat([body, Buffer.from(`"Manifest-Checksum": "${createHash("sha256").update(body).digest("hex")}"}\n`)]);
}

export const backupManifestTarget: FuzzTarget = {
  name: "backup-manifest",
  open: () => ({
    corpus,
    words: ["\"Path\": ", "\"Encoded-Path\": ", "\"Size\": ", "\"Checksum-Algorithm\": ", "\"Checksum\": ", "\"WAL-Ranges\": ", "\"Files\": [", "\"Timeline\"", "\\u0041", "NONE", "SHA512"],
    repair,
    run(input, random) {
      readBothWays(
        (told) => {
          const reader = createManifestReader((file) => {
            mustHold(!file.path.split("/").some((part) => ["", ".", ".."].includes(part)) && !file.path.includes("\0"), "no path leads elsewhere");
            mustHold(Number.isSafeInteger(file.size) && file.size >= 0, "a size is one");
            told.say(JSON.stringify(file));
          });
          return {
            write: (piece) => {
              reader.write(piece);
            },
            finish() {
              const { walRanges, ...rest } = reader.finish();
              told.say(JSON.stringify({ ...rest, ranges: walRanges.map(({ timeline, start, end }) => [timeline, String(start), String(end)]) }));
            },
          };
        },
        input,
        random,
      );
      return undefined;
    },
  }),
};

/** Small files of a cluster, and the texts in which PostgreSQL writes positions, versions and names. */
import {
  checkRelativePath,
  classifyWalFile,
  formatBackupLabel,
  formatHistory,
  formatLsn,
  formatSettingsFile,
  formatTablespaceMap,
  isRelationFile,
  parseBackupLabel,
  parseControlFile,
  parseHistory,
  parseLsn,
  parseRelationPath,
  parseSegmentName,
  parseServerVersion,
  parseSettingsFile,
  parseTablespaceMap,
  parseWalPageHeader,
  pathFromBytes,
  pathToBytes,
  printablePath,
  readSettings,
  removeSettings,
  commentOutSettings,
  segmentName,
  removeSettingsBlock,
  timelineContaining,
  timelineId,
} from "../../../src/postgres/index.ts";
import { crc32c } from "../../../src/pipeline/index.ts";
import { controlFileSamples } from "../../unit/postgres/control-file-samples.ts";
import { mustEqual, mustHold, type FuzzTarget } from "../engine/target.ts";

const texts = (...list: readonly string[]): Buffer[] => list.map((text) => Buffer.from(text, "utf8"));

export const historyTarget: FuzzTarget = {
  name: "timeline-history",
  open: () => ({
    corpus: texts(
      "1\t0/3000148\tno recovery target specified\n",
      "1\t0/3000148\tno recovery target specified\n\n2\t16/B374D848\tbefore 2026-11-20 09:00:00+00\n\n10\tFFFFFFFF/FFFFFFFF\tat restore point \"x\"\n",
      "# a comment\n\n1 0/0 reason\n4294967294\t0/1\n",
    ),
    words: ["\t", "0/", "4294967295", "\n\n", "#"],
    run(input) {
      const history = parseHistory(pathFromBytes(input), timelineId(0xffff_ffff));
      const again = parseHistory(formatHistory(history), history.timeline);
      mustEqual(again, { ...history, entries: again.entries.map((entry, index) => ({ ...entry, reason: history.entries[index]?.reason ?? "" })) }, "what is written is read again");
      const owner = timelineContaining(history, parseLsn("0/3000000"));
      mustHold(owner >= 1, "every position has an owner");
      return undefined;
    },
  }),
};

export const backupLabelTarget: FuzzTarget = {
  name: "backup-label",
  open: () => ({
    corpus: texts(
      "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000060\nBACKUP METHOD: streamed\nBACKUP FROM: primary\nSTART TIME: 2026-11-20 09:39:06 GMT\nLABEL: moneta\nSTART TIMELINE: 1\n",
      "START WAL LOCATION: 0/2000028 (file 000000020000000000000002)\nSTOP WAL LOCATION: 0/2000100 (file 000000020000000000000002)\nCHECKPOINT LOCATION: 0/2000060\nBACKUP METHOD: streamed\nBACKUP FROM: standby\nSTART TIME: 2026-11-20 09:39:06 GMT\nLABEL: x\nSTART TIMELINE: 2\nSTOP TIME: 2026-11-20 09:39:07 GMT\nSTOP TIMELINE: 2\nINCREMENTAL FROM LSN: 0/1000028\nINCREMENTAL FROM TLI: 1\n",
    ),
    words: ["START WAL LOCATION: ", "INCREMENTAL FROM LSN: 0/1\n", "STOP TIMELINE: 1\n", "(file 000000010000000000000002)"],
    run(input) {
      const label = parseBackupLabel(input);
      mustEqual(parseBackupLabel(formatBackupLabel(label)), label, "what is written is read again");
      return undefined;
    },
  }),
};

export const tablespaceMapTarget: FuzzTarget = {
  name: "tablespace-map",
  open: () => ({
    corpus: [...texts("16384 /srv/space\n", "16384 /srv/with\\\nnewline\n4294967295 /\\\\x\n"), Buffer.from("1 /\xff\n", "latin1")],
    words: ["\\\n", "\\\\", "\\\r", " /"],
    run(input) {
      const entries = parseTablespaceMap(input);
      mustEqual(parseTablespaceMap(formatTablespaceMap(entries)), entries, "what is written is read again");
      return undefined;
    },
  }),
};

/** pg_control ends with the CRC-32C of what stands before it, at a place that depends on the version. */
const checksumPlaces = [280, 288, 292, 296];

export const controlFileTarget: FuzzTarget = {
  name: "control-file",
  open: () => ({
    corpus: Object.values(controlFileSamples).map((hex) => Buffer.concat([Buffer.from(hex, "hex"), Buffer.alloc(8192)]).subarray(0, 8192)),
    repair(input, random) {
      const repaired = Buffer.from(input);
      const at = checksumPlaces[random.below(checksumPlaces.length)] ?? 288;
      if (repaired.length >= at + 4) repaired.writeUInt32LE(crc32c(repaired.subarray(0, at)), at);
      return repaired;
    },
    run(input) {
      const control = parseControlFile(input);
      mustHold(control.segmentSize >= 1024 * 1024 && control.segmentSize <= 1024 ** 3, "the size of a segment is a possible one");
      mustHold(control.segmentSize === 2 ** Math.round(Math.log2(control.segmentSize)), "and a power of two");
      return undefined;
    },
  }),
};

export const settingsTarget: FuzzTarget = {
  name: "postgresql-conf",
  open: () => ({
    corpus: texts(
      "# comment\nlisten_addresses = '*' # here\nport=5432\nshared_buffers 128MB\ninclude_dir 'conf.d'\nwork_mem = 1.5e3\n",
      "primary_conninfo = 'host=/tmp user=''x'' password=\\'y\\''\nrestore_command 'cp /a/%f \"%p\"'\r\nplpgsql.check = on\n",
    ),
    words: ["''", "\\'", "\\377", "include_if_exists '", "'", " = "],
    run(input) {
      const text = pathFromBytes(input);
      const lines = parseSettingsFile(text);
      mustEqual(formatSettingsFile(lines), text, "no byte of the file is lost");
      const { text: without } = removeSettings(text, ["port", "restore_command"]);
      mustHold(!parseSettingsFile(without).some((line) => line.kind === "setting" && (line.name === "port" || line.name === "restore_command")), "what was removed is gone");
      const { text: commented } = commentOutSettings(text, ["port", "listen_addresses"], "note");
      mustHold(!parseSettingsFile(commented).some((line) => line.kind === "setting" && (line.name === "port" || line.name === "listen_addresses")), "what was commented out is gone");
      pathToBytes(text);
      readSettings(text, "postgresql.conf");
      return undefined;
    },
  }),
};

export const namesTarget: FuzzTarget = {
  name: "names-and-numbers",
  open: () => ({
    corpus: texts("16/B374D848", "0/0", "FFFFFFFF/FFFFFFFF", "000000010000000000000003", "000000010000000000000003.partial", "00000002.history", "000000010000000000000003.00000028.backup", "base/5/1259_fsm.1", "pg_tblspc/16384/PG_15_202209061/5/16400_init", "15.14 (Debian 15.14-0+deb12u1)", "18beta1", "global/1262"),
    words: ["/", "_vm", ".partial", ".history", "00000000", "FFFFFFFF", "pg_tblspc/", "base/"],
    run(input) {
      const text = pathFromBytes(input);
      mustHold(pathToBytes(text).equals(input), "a name gives back its bytes");
      printablePath(text);
      const attempt = <T>(read: () => T): T | undefined => {
        try {
          return read();
        } catch (error) {
          refusals.push(error);
          return undefined;
        }
      };
      const refusals: unknown[] = [];
      const position = attempt(() => parseLsn(text));
      if (position !== undefined) mustEqual(parseLsn(formatLsn(position)), position, "a position is read as it is written");
      const segment = attempt(() => parseSegmentName(text, 16 * 1024 * 1024));
      if (segment !== undefined) mustEqual(segmentName(segment.timeline, segment.start, 16 * 1024 * 1024), text, "a segment has one name");
      classifyWalFile(text);
      parseRelationPath(text);
      isRelationFile(text);
      attempt(() => parseServerVersion(text));
      attempt(() => parseWalPageHeader(input));
      attempt(() => checkRelativePath(text, "the test"));

      removeSettingsBlock(text, "fuzz");
      for (const error of refusals) if (!(error instanceof Error) || error.name !== "MonetaError") throw error;
      if (refusals.length >= 5) throw refusals[0];
      return undefined;
    },
  }),
};

import { readFile, readdir, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { crc32c } from "@node-rs/crc32";
import { afterAll, beforeAll, expect } from "vitest";
import {
  classifyWalFile,
  createManifestReader,
  createPageVerifier,
  formatLsn,
  lsn,
  manifestCrc32c,
  nextSegmentStart,
  parseControlFile,
  parseLsn,
  parseSegmentName,
  parseServerVersion,
  parseWalPageHeader,
  pathFromBytes,
  segmentName,
  timelineId,
  versionTraits,
} from "../../../src/postgres/index.ts";
import type { ManifestFile } from "../../../src/postgres/index.ts";
import { ALL_MAJORS } from "../../support/postgres-binaries.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { requires } from "../../support/requires.ts";
import { manifestFromServer } from "./replication-manifest.ts";

const MB = 1024 * 1024;

/** Odd majors get small segments, so that both sizes are tried. */
const segmentSizeOf = (major: number) => (major % 2 === 1 ? MB : 16 * MB);

for (const major of ALL_MAJORS) {
  const required = requires(`postgres-${major}`);
  required.describe(`a server of PostgreSQL ${major}`, () => {
    let cluster: Cluster;
    const segmentSize = segmentSizeOf(major);

    beforeAll(async () => {
      cluster = await createCluster({
        major,
        walSegmentSize: segmentSize,
        settings: {
          max_connections: 33,
          max_worker_processes: 5,
          max_wal_senders: 7,
          max_prepared_transactions: 3,
          max_locks_per_transaction: 71,
          wal_log_hints: true,
        },
      });
      await cluster.sql(
        "CREATE TABLE t AS SELECT i, md5(i::text) AS m FROM generate_series(1, 20000) AS i; CREATE INDEX ON t (m)",
      );
      await cluster.sql("VACUUM t");
      await cluster.sql("CHECKPOINT");
    });
    afterAll(() => cluster.destroy());

    /** The one row of a query, by column name. */
    async function row(query: string): Promise<Record<string, string>> {
      return JSON.parse(await cluster.value(`SELECT row_to_json(r)::text FROM (${query}) AS r`)) as Record<
        string,
        string
      >;
    }

    required.it("has the pg_control that it describes itself", async () => {
      const file = parseControlFile(await readFile(join(cluster.dataDir, "global/pg_control")));
      const system = await row(
        "SELECT *, system_identifier::text AS id, extract(epoch FROM pg_control_last_modified) AS at FROM pg_control_system()",
      );
      const checkpoint = await row("SELECT *, extract(epoch FROM checkpoint_time) AS at FROM pg_control_checkpoint()");
      const init = await row("SELECT * FROM pg_control_init()");
      const recovery = await row("SELECT * FROM pg_control_recovery()");
      const settings = await row(
        "SELECT " +
          [
            "max_connections",
            "max_worker_processes",
            "max_wal_senders",
            "max_prepared_transactions",
            "max_locks_per_transaction",
            "wal_level",
          ]
            .map((name) => `current_setting('${name}') AS ${name}`)
            .join(", "),
      );
      expect({
        systemIdentifier: file.systemIdentifier,
        controlVersion: file.controlVersion,
        catalogVersion: file.catalogVersion,
        modified: file.modifiedTime / 1000,
      }).toEqual({
        systemIdentifier: system["id"],
        controlVersion: system["pg_control_version"],
        catalogVersion: system["catalog_version_no"],
        modified: system["at"],
      });
      expect(file.controlVersion).toBe(versionTraits(major * 10_000).controlVersion);
      const xid = file.nextXid ?? -1n;
      expect({
        checkpoint: formatLsn(file.checkpointLsn),
        redo: formatLsn(file.redoLsn),
        redoFile: segmentName(timelineId(file.timeline), file.redoLsn, file.segmentSize),
        timeline: file.timeline,
        previous: file.previousTimeline,
        fullPageWrites: file.fullPageWrites,
        nextXid: `${xid >> 32n}:${xid & 0xffff_ffffn}`,
        at: (file.checkpointTime ?? 0) / 1000,
      }).toEqual({
        checkpoint: checkpoint["checkpoint_lsn"],
        redo: checkpoint["redo_lsn"],
        redoFile: checkpoint["redo_wal_file"],
        timeline: checkpoint["timeline_id"],
        previous: checkpoint["prev_timeline_id"],
        fullPageWrites: checkpoint["full_page_writes"],
        nextXid: checkpoint["next_xid"],
        at: checkpoint["at"],
      });
      expect({
        blockSize: file.blockSize,
        relationSegmentBlocks: file.relationSegmentBlocks,
        walBlockSize: file.walBlockSize,
        segmentSize: file.segmentSize,
        dataChecksumVersion: file.dataChecksumVersion,
      }).toEqual({
        blockSize: init["database_block_size"],
        relationSegmentBlocks: init["blocks_per_segment"],
        walBlockSize: init["wal_block_size"],
        segmentSize: init["bytes_per_wal_segment"],
        dataChecksumVersion: init["data_page_checksum_version"],
      });
      expect(file.segmentSize).toBe(segmentSize);
      expect({
        point: formatLsn(file.minRecoveryPoint ?? lsn(1)),
        timeline: file.minRecoveryTimeline,
        start: formatLsn(file.backupStartLsn ?? lsn(1)),
        end: formatLsn(file.backupEndLsn ?? lsn(1)),
        required: file.backupEndRequired,
      }).toEqual({
        point: recovery["min_recovery_end_lsn"],
        timeline: recovery["min_recovery_end_timeline"],
        start: recovery["backup_start_lsn"],
        end: recovery["backup_end_lsn"],
        required: recovery["end_of_backup_record_required"],
      });
      expect({
        max_connections: String(file.maxConnections),
        max_worker_processes: String(file.maxWorkerProcesses),
        max_wal_senders: String(file.maxWalSenders),
        max_prepared_transactions: String(file.maxPreparedTransactions),
        max_locks_per_transaction: String(file.maxLocksPerTransaction),
        wal_level: file.walLevel,
      }).toEqual(settings);
      expect(file).toMatchObject({
        known: true,
        state: "in-production",
        walLogHints: true,
        trackCommitTimestamp: false,
      });
    });

    required.it("reports a version that the table knows", async () => {
      const number = Number(await cluster.value("SHOW server_version_num"));
      expect(parseServerVersion(await cluster.value("SHOW server_version"))).toBe(number);
      expect(versionTraits(number)).toMatchObject({ major, known: true });
      const onDisk = parseServerVersion(await readFile(join(cluster.dataDir, "PG_VERSION"), "utf8"));
      expect(versionTraits(onDisk).major).toBe(major);
    });

    required.it("has functions and settings where the table says so", async () => {
      const traits = versionTraits(major * 10_000);
      const has = async (query: string): Promise<boolean> =>
        (await cluster.value(`SELECT count(*) > 0 FROM ${query}`)) === "t";
      const setting = (name: string) => has(`pg_settings WHERE name = '${name}'`);
      for (const name of Object.values(traits.backupFunctionNames))
        expect(await has(`pg_proc WHERE proname = '${name}'`), name).toBe(true);
      expect({
        archiveLibrary: await setting("archive_library"),
        recoveryPrefetch: await setting("recovery_prefetch"),
        promoteTriggerFile: await setting("promote_trigger_file"),
        slotSynchronisation: await setting("sync_replication_slots"),
        walSummaries: await setting("summarize_wal"),
        idleSlotTimeout: await setting("idle_replication_slot_timeout"),
        showsRecovery: await setting("in_hot_standby"),
        inPlaceTablespaces: await setting("allow_in_place_tablespaces"),
      }).toEqual({
        archiveLibrary: traits.archiveLibrary,
        recoveryPrefetch: traits.recoveryPrefetch,
        promoteTriggerFile: traits.promoteTriggerFile,
        slotSynchronisation: traits.slotSynchronisation,
        walSummaries: traits.walSummaries,
        idleSlotTimeout: traits.idleSlotTimeout,
        showsRecovery: traits.showsRecovery,
        inPlaceTablespaces: traits.inPlaceTablespaces,
      });
    });

    required.it("names segments as we do", async () => {
      const positions = ["0/1", "0/1000001", "0/FFFFFFFF", "1/1", "16/B374D848", "FFFFFFF0/FFF00001"];
      const names = await cluster.sql(
        `SELECT p, pg_walfile_name(p::pg_lsn) FROM unnest('{${positions.join(",")}}'::text[]) AS p`,
      );
      expect(
        names.map(([position]) => [position, segmentName(timelineId(1), parseLsn(position ?? ""), segmentSize)]),
      ).toEqual(names);
    });

    required.it("writes WAL pages whose headers we read", async () => {
      const end = parseLsn(await cluster.value("SELECT pg_switch_wal()"));
      const flushed = parseLsn(await cluster.value("SELECT pg_current_wal_flush_lsn()"));
      const { systemIdentifier } = parseControlFile(await readFile(join(cluster.dataDir, "global/pg_control")));
      const wal = join(cluster.dataDir, "pg_wal");
      const complete = (await readdir(wal)).flatMap((name) => {
        const file = classifyWalFile(name);
        if (file.kind !== "segment") return [];
        const { start, timeline } = parseSegmentName(name, segmentSize);
        return nextSegmentStart(start, segmentSize) <= flushed ? [{ name, start, timeline }] : [];
      });
      expect(complete.length).toBeGreaterThan(0);
      for (const { name, start, timeline } of complete) {
        const content = await readFile(join(wal, name));
        expect(content).toHaveLength(segmentSize);
        for (let offset = 0; offset < content.length; offset += 8192) {
          const at = lsn(start + BigInt(offset));
          // After a switch the rest of a segment is zeros.
          if (at > end && start < end && content.readUInt16LE(offset) === 0) break;
          const header = parseWalPageHeader(content.subarray(offset));
          expect(header).toMatchObject({
            magic: versionTraits(major * 10_000).walPageMagic,
            timeline,
            pageAddress: at,
          });
          const first = { systemIdentifier, segmentSize, blockSize: 8192, headerLength: 40 };
          expect(header).toMatchObject(offset === 0 ? first : { headerLength: 24 });
        }
      }
    });

    required.it("backs up tablespaces inside its data directory only where the table says so", async () => {
      const session = await cluster.connect();
      await session.query("SET allow_in_place_tablespaces = on");
      await session.query("CREATE TABLESPACE inside LOCATION ''");
      await session.query("CREATE TABLE t_inside TABLESPACE inside AS SELECT 1");
      const path = await cluster.value("SELECT pg_relation_filepath('t_inside')");
      let found = false;
      const reader = createManifestReader((file) => {
        found ||= file.path === path;
      });
      for (const piece of await manifestFromServer(cluster)) reader.write(piece);
      reader.finish();
      await session.query("DROP TABLE t_inside");
      await session.query("DROP TABLESPACE inside");
      expect(found).toBe(versionTraits(major * 10_000).inPlaceTablespacesBackedUp);
    });

    required.it("sends a manifest that we read, odd names included", async () => {
      const odd = [Buffer.from('odd "name"\\ ä\n\u0001'), Buffer.from("ff6fc3", "hex"), Buffer.from("edb280", "hex")];
      for (const name of odd) {
        const path = Buffer.concat([Buffer.from(`${cluster.dataDir}/`), name]);
        await writeFile(path, "x", { mode: 0o644 });
      }
      const files: ManifestFile[] = [];
      const reader = createManifestReader((file) => files.push(file));
      for (const piece of await manifestFromServer(cluster)) reader.write(piece);
      const summary = reader.finish();
      const identifier = await cluster.value("SELECT system_identifier FROM pg_control_system()");
      expect(summary).toMatchObject({
        version: versionTraits(major * 10_000).manifestVersion,
        known: true,
        fileCount: files.length,
      });
      expect(summary.systemIdentifier).toBe(major >= 17 ? identifier : undefined);
      expect(summary.walRanges).toHaveLength(1);
      expect(summary.walRanges[0]?.timeline).toBe(1);
      const paths = new Set(files.map((file) => file.path));
      for (const name of odd) expect(paths).toContain(pathFromBytes(name));
      for (const path of ["backup_label", "tablespace_map", "PG_VERSION", "global/pg_control", "postgresql.conf"]) {
        // tablespace_map is only there when there are tablespaces, in some versions.
        if (path !== "tablespace_map") expect(paths).toContain(path);
      }
      expect(files.every((file) => file.checksumAlgorithm === "CRC32C")).toBe(true);
      const content = `${major}\n`;
      expect(files.find((file) => file.path === "PG_VERSION")).toMatchObject({
        size: content.length,
        checksum: manifestCrc32c(crc32c(content)),
      });
    });

    required.it("has pages whose checksums we compute", async () => {
      await cluster.stop();
      const { blockSize, relationSegmentBlocks } = parseControlFile(
        await readFile(join(cluster.dataDir, "global/pg_control")),
      );
      let checked = 0;
      const forks = new Set<string>();
      for (const path of await readdir(cluster.dataDir, { recursive: true })) {
        const verifier = createPageVerifier({
          path: relative(".", path),
          startLsn: parseLsn("FFFFFFFF/FFFFFFFF"),
          blockSize,
          relationSegmentBlocks,
        });
        if (verifier === null) continue;
        verifier.update(await readFile(join(cluster.dataDir, path)));
        const report = verifier.finish();
        expect(report, path).toMatchObject({ badCount: 0, skipped: 0, unclear: 0, tailBytes: 0 });
        checked += report.checked;
        forks.add(/_[a-z]+/.exec(path)?.[0] ?? "main");
      }
      expect(checked).toBeGreaterThan(1000);
      expect(forks).toEqual(new Set(["main", "_fsm", "_vm"]));
    });
  });
}

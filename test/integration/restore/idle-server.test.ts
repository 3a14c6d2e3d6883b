/**
 * B12: a server that is idle but for archive_timeout and forced switches. Its segments are nearly all zeros: they take
 * next to no room in any compressed form, and a restore finds the moments within them.
 */
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { PipelineSpec } from "../../../src/pipeline/index.ts";
import { suffixOf } from "../../../src/pipeline/index.ts";
import { readMasterKey } from "../../../src/vault/index.ts";
import { insertMarkers, type Marker } from "../../support/marker-table.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";
import { createRig, rowsOf } from "./rig.ts";

const segmentSize = 16 * 1024 * 1024;
/** What a form may make of a segment with a few rows and full pages; `none` has the zeros as they are. */
const forms: readonly (Pick<PipelineSpec, "compression" | "encryption"> & { readonly most: number })[] = [
  { compression: "gzip", encryption: "none", most: segmentSize / 100 },
  { compression: "zstd", encryption: "none", most: segmentSize / 100 },
  { compression: "lz4", encryption: "none", most: segmentSize / 50 },
  { compression: "bzip2", encryption: "none", most: segmentSize / 100 },
  { compression: "none", encryption: "none", most: segmentSize },
  { compression: "zstd", encryption: "aes-256-gcm", most: segmentSize / 100 },
  { compression: "none", encryption: "aes-128-gcm", most: segmentSize + 1024 },
];

it("an idle server's segments are small in every form, and every moment within them can be restored", async () => {
  const keyFile = join(temporaryDirectory().path, "master.key");
  writeFileSync(keyFile, `${Buffer.from("pass phrase").toString("base64")}\n${Buffer.alloc(16, 5).toString("base64")}\n`, { mode: 0o600 });
  const source = await createCluster({ settings: { archive_mode: "on", archive_command: "true", archive_timeout: "1s" } });
  const rig = await createRig(source, { masterKey: await readMasterKey(keyFile), masterKeyFile: keyFile });
  await insertMarkers(source, 1, 1);
  const taken = await rig.backup();
  const segmentNow = (): Promise<string> => source.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
  const file = (name: string): string => join(rig.storage.absolutePath("primary/wal"), name);

  const markers: Marker[] = [];
  const sizes: string[] = [];
  for (const [number, { most, ...spec }] of forms.entries()) {
    await source.sql("SELECT pg_switch_wal()");
    const segment = await segmentNow();
    markers.push(...(await insertMarkers(source, number + 2, number + 2)));
    // The first one PostgreSQL ends by itself, a second after something was written to it.
    if (number === 0) await waitFor("PostgreSQL has ended the segment", async () => (await segmentNow()) !== segment);
    else await source.sql("SELECT pg_switch_wal()");
    await rig.caughtUp();
    // PostgreSQL lets the segment after a switch begin before it has flushed the one that ends.
    await waitFor("the segment is received to its end", () => existsSync(file(segment)));
    await rig.archive(spec);
    const stored = statSync(file(`${segment}${suffixOf(spec)}`)).size;
    sizes.push(`${spec.compression}${spec.encryption === "none" ? "" : `, ${spec.encryption}`}: ${stored}`);
    expect([spec, stored <= most]).toEqual([spec, true]);
  }
  console.log(`a segment of ${segmentSize} bytes with one row: ${sizes.join("; ")}`);
  await rig.covered();
  await rig.stopReceiver();

  // Just before a row that has its segment to itself: its predecessors are there, and it is not.
  const { n = 0, time = "" } = markers[5] ?? {};
  expect(await rowsOf(rig, { backup: taken.label, position: `time=${time},inclusive=off` })).toEqual(Array.from({ length: n - 1 }, (_, index) => index + 1));
  expect(await rowsOf(rig, { backup: taken.label })).toEqual([1, ...markers.map(({ n }) => n)]);
});

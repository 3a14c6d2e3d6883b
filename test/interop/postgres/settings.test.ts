import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import type pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseSettingsFile, putSettingsBlock, quoteSettingValue, removeSettings } from "../../../src/postgres/index.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { requires } from "../../support/requires.ts";

/** PostgreSQL reads a file of settings without applying it, and shows line by line what it found. */
for (const major of [13, 15, 18] as const)
  requires(`postgres-${major}`).describe(`PostgreSQL ${major} itself reads configuration files as we do`, () => {
    let cluster: Cluster;
    let client: pg.Client;
    let file: string;

    beforeAll(async () => {
      cluster = await createCluster({ major });
      file = join(cluster.dataDir, "probe.conf");
      await writeFile(file, "");
      await appendFile(join(cluster.dataDir, "postgresql.conf"), "include 'probe.conf'\n");
      client = await cluster.connect();
    });
    afterAll(() => cluster.destroy());

    interface Seen {
      readonly line: number | null;
      readonly name: string | null;
      readonly value: string | null;
    }
    /** A line that it refuses, which it does not always number right. */
    const syntaxError: Seen = { line: null, name: null, value: null };

    async function asPostgresSees(text: string): Promise<Seen[]> {
      await writeFile(file, text);
      const { rows } = await client.query<Seen>(
        `SELECT sourceline AS line, lower(name) AS name, setting AS value FROM pg_file_settings
        WHERE sourcefile LIKE '%/probe.conf' ORDER BY seqno`,
      );
      return rows.map((row) => (row.name === null ? syntaxError : row));
    }

    /** Up to the first line that PostgreSQL would refuse: it reads no further either. */
    function asWeSee(text: string): Seen[] {
      const lines = parseSettingsFile(text);
      const invalid = lines.findIndex((line) => line.kind === "invalid");
      const settings: Seen[] = (invalid < 0 ? lines : lines.slice(0, invalid))
        .filter((line) => line.kind === "setting")
        .map((line) => ({ line: line.number, name: line.name, value: line.value }));
      return invalid < 0 ? settings : [...settings, syntaxError];
    }

    async function expectAgreement(text: string): Promise<void> {
      expect(asWeSee(text), JSON.stringify(text)).toEqual(await asPostgresSees(text));
    }

    it("on the lines that people write", async () => {
      const lines = [
        "port = 5432",
        "port=5432",
        "  Port\t5432 # comment",
        "listen_addresses=''",
        "log_directory = 'it''s \\'here\\' \\\\ # no comment'",
        "log_directory = '\\101\\tx\\n\\q'",
        "log_directory = '\\303\\244'",
        "log_directory=pg_log/x-1:y#comment",
        "log_directory'quoted'",
        "shared_buffers = 128MB",
        "seq_page_cost = 1.5e-3",
        "seq_page_cost = .5",
        "seq_page_cost = 5.",
        "work_mem = 0x1FkB",
        "custom.name_1 = on",
        "# nothing",
        "   ",
        "port",
        "port =",
        "= 1",
        "port = 1 2",
        "port = = 1",
        "log_directory = 'open",
        "log_directory = 'a'b'",
        "1x = 2",
        "x-1 = 2",
        "port = 5432\r",
      ];
      const sound = lines.filter((line) => parseSettingsFile(line)[0]?.kind !== "invalid");
      expect(sound).toHaveLength(18);
      await expectAgreement(`${sound.join("\n")}\n`);
      await expectAgreement(sound.join("\r\n"));
      for (const line of lines) await expectAgreement(line);
    });

    it("on lines that nobody writes", async () => {
      const pieces = fc.constantFrom(
        ...[
          "port",
          "a.b",
          "x",
          "_y1",
          "ä",
          " ",
          "\t",
          "\r",
          "=",
          "=",
          "'",
          "'",
          "''",
          "\\'",
          "\\\\",
          "\\",
          "\\101",
          "\\8",
          "\\n",
        ],
        ...["#", "5", "-", "+", "1.5", ".", "0x1F", "e3", "MB", "/", ":", "on", '"', "*", "\n"],
      );
      await fc.assert(
        fc.asyncProperty(fc.array(pieces, { maxLength: 7 }), (words) => expectAgreement(words.join(""))),
        { numRuns: 1000 },
      );
    });

    it("on values that we quote", async () => {
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: "binary" }), async (value) => {
          fc.pre(!value.includes("\0") && !/\p{Surrogate}/u.test(value));
          const seen = await asPostgresSees(`log_directory = ${quoteSettingValue(value)}\n`);
          expect(seen).toEqual([{ line: 1, name: "log_directory", value }]);
        }),
        { numRuns: 100 },
      );
    });

    it("on the files that we edit", async () => {
      const text = "port = 1\nPORT = 2 # two\nlog_directory = 'x'";
      const edited = putSettingsBlock(removeSettings(text, ["port"]).text, {
        name: "test",
        comments: ["why"],
        settings: [
          ["log_directory", "it's\nhere"],
          ["work_mem", "1MB"],
        ],
      });
      expect((await asPostgresSees(edited)).map(({ name, value }) => [name, value])).toEqual([
        ["log_directory", "x"],
        ["log_directory", "it's\nhere"],
        ["work_mem", "1MB"],
      ]);
      await writeFile(file, "");
    });
  });

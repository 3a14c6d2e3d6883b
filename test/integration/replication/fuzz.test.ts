import fc from "fast-check";
import { expect, test } from "vitest";
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import { connect, startBaseBackup, startWalStream } from "../../../src/replication/index.ts";
import type { Connection } from "../../../src/replication/index.ts";
import { backend, backendMessage } from "../../support/backend-messages.ts";
import { options, serve } from "./scripted.ts";

/** Messages that a server may send somewhere, in any order, with some that none sends. */
const messages = fc.oneof(
  fc.constantFrom(
    backend.columns("recptr", "tli"),
    backend.columns("next_tli", "next_tli_startpos"),
    backend.row("0/3E8", "1"),
    backend.row("1", "0/3E8"),
    backend.row(null, null, "1"),
    backend.row("x"),
    backend.complete("SELECT"),
    backend.copyOut(),
    backend.copyBoth(),
    backend.copyDone(),
    backend.copyData(""),
    backend.archive("base.tar"),
    backend.archive("5.tar"),
    backend.archiveData("data"),
    backend.manifest(),
    backend.progress(-1n),
    backend.walData(1000n, Buffer.from("abc")),
    backend.walData(0xffff_ffff_ffff_ffffn, Buffer.from("abc")),
    backend.keepalive(1n, true),
    backend.error({ code: "XX001", message: "damaged" }),
    backend.error({ severity: "FATAL", code: "57P01", message: "gone" }),
    backend.notice({ code: "01000", message: "careful" }),
    backend.ready(),
    backend.authenticationOk(),
  ),
  fc.tuple(fc.constantFrom(..."RKSZTDCIHWcANEvdX\0"), fc.uint8Array({ maxLength: 40 })).map(([type, body]) => backendMessage(type, Buffer.from(body))),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
);

const ignore = (): void => undefined;

const commands: Readonly<Record<string, (connection: Connection) => Promise<unknown>>> = {
  "a query": (connection) => connection.query("SELECT 1"),
  "a base backup": (connection) =>
    startBaseBackup(connection, { label: "l" }, {
      onStart: ignore,
      onTablespaces: ignore,
      onArchive: ignore,
      onArchiveData: ignore,
      onArchiveEnd: ignore,
      onManifestData: ignore,
    }),
  "a WAL stream": (connection) =>
    new Promise((resolve, reject) => {
      let ends = 0;
      const end = (finish: () => void) => (): void => {
        ends++;
        if (ends > 1) reject(new Error("the end was told twice"));
        // Late enough that a second end would be seen.
        setImmediate(finish);
      };
      startWalStream(connection, { timeline: timelineId(1), start: lsn(1000) }, {
        onData: ignore,
        onKeepalive: ignore,
        onTimelineEnd: () => {
          end(() => {
            resolve(undefined);
          })();
        },
        onClosed: (error) => {
          end(() => {
            if (error === undefined) resolve(undefined);
            else reject(error);
          })();
        },
      });
    }),
};

test.each(Object.keys(commands))("%s ends, once and with an error of the catalogue, whatever the server sends", async (name) => {
  let answer: readonly Buffer[] = [];
  await serve(async (peer) => {
    await peer.accept();
    await peer.query();
    await peer.send(...answer);
    peer.end();
  });
  await fc.assert(
    fc.asyncProperty(fc.array(messages, { maxLength: 12 }), async (frames) => {
      answer = frames;
      const connection = await connect(options());
      try {
        await commands[name]?.(connection);
      } catch (error) {
        expect(error).toMatchObject({ name: "MonetaError" });
        expect(error).not.toMatchObject({ code: "UNEXPECTED" });
      } finally {
        await connection.terminate();
      }
    }),
    { numRuns: 150 },
  );
});

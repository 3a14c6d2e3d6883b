import { describe, expect, test } from "vitest";
import { startBaseBackup } from "../../../src/replication/index.ts";
import type { BaseBackupHandler, ConnectOptions, FlowControl } from "../../../src/replication/index.ts";
import { backend } from "../../support/backend-messages.ts";
import { code, connected } from "./scripted.ts";

describe("during a base backup", () => {
  const positions = [backend.columns("recptr", "tli"), backend.row("0/2000028", "1"), backend.complete("SELECT")];
  const list = [backend.columns("spcoid", "spclocation", "size"), backend.row(null, null, "5"), backend.complete("SELECT")];
  const archive = [backend.copyOut(), backend.archive("base.tar"), backend.archiveData("tar"), backend.progress(3n)];
  const manifest = [backend.manifest(), backend.archiveData("{}"), backend.copyDone()];
  const end = [backend.columns("recptr", "tli"), backend.row("0/2000100", "1"), backend.complete("SELECT"), backend.complete("BASE_BACKUP")];
  const checksumError = backend.error({ code: "XX001", message: "checksum verification failure during base backup" });

  const ignore = (): void => undefined;
  const handler: BaseBackupHandler = {
    onStart: ignore,
    onTablespaces: ignore,
    onArchive: ignore,
    onArchiveData: ignore,
    onArchiveEnd: ignore,
    onManifestData: ignore,
  };

  async function backup(messages: readonly Buffer[], changed: Partial<BaseBackupHandler> = {}, extra: Partial<ConnectOptions> = {}): Promise<unknown> {
    const connection = await connected(async (peer) => {
      await peer.query();
      await peer.send(...messages);
    }, extra);
    try {
      return await startBaseBackup(connection, { label: "l" }, { ...handler, ...changed });
    } finally {
      connection.destroy();
    }
  }

  const complete = { start: { lsn: 0x200_0028n, timeline: 1 }, stop: { lsn: 0x200_0100n, timeline: 1 } };

  test("a complete one has start and stop", async () => {
    const result = await backup([...positions, ...list, ...archive, ...manifest, ...end, backend.ready()]);
    expect(result).toEqual({ ...complete, checksumFailures: false });
  });

  test("wrong page checksums are told after everything: complete and flagged", async () => {
    const result = await backup([...positions, ...list, ...archive, ...manifest, ...end.slice(0, 3), checksumError, backend.ready()]);
    expect(result).toEqual({ ...complete, checksumFailures: true });
  });

  test.each<[string, string, readonly Buffer[]]>([
    ["the same error before the stop position", "SERVER_ERROR", [...positions, ...list, ...archive, ...manifest, checksumError, backend.ready()]],
    ["the same error before the manifest", "SERVER_ERROR", [...positions, ...list, ...archive, backend.copyDone(), ...end.slice(0, 3), checksumError, backend.ready()]],
    ["another error after everything", "SERVER_ERROR", [...positions, ...list, ...archive, ...manifest, ...end.slice(0, 3), backend.error({ code: "XX000", message: "x" }), backend.ready()]],
    ["an error in mid COPY", "SERVER_ERROR", [...positions, ...list, ...archive, backend.error({ code: "58030", message: "could not read file" }), backend.ready()]],
    ["a file that the server does not find", "SERVER_ERROR", [...positions, ...list, ...archive, backend.error({ code: "58P01", message: 'could not open file "base/5/1259": No such file or directory' }), backend.ready()]],
    ["no manifest", "SERVER_PROTOCOL", [...positions, ...list, ...archive, backend.copyDone(), ...end, backend.ready()]],
    ["no archive", "SERVER_PROTOCOL", [...positions, ...list, backend.copyOut(), ...manifest, ...end, backend.ready()]],
    ["fewer archives than tablespaces", "SERVER_PROTOCOL", [...positions, list[0] ?? Buffer.alloc(0), backend.row("16384", "/x", "1"), ...list.slice(1), ...archive, ...manifest, ...end, backend.ready()]],
    ["no stop position", "SERVER_PROTOCOL", [...positions, ...list, ...archive, ...manifest, backend.complete("BASE_BACKUP"), backend.ready()]],
    ["ready within the COPY", "SERVER_PROTOCOL", [...positions, ...list, ...archive, backend.ready()]],
    ["no positions at all", "SERVER_PROTOCOL", [...list, ...archive]],
    ["a COPY in the other direction", "SERVER_PROTOCOL", [...positions, ...list, backend.copyBoth()]],
  ])("%s makes it fail with %s", async (_what, expected, messages) => {
    await expect(backup(messages)).rejects.toEqual(code(expected));
  });

  test("silence in the middle of the data makes it fail", async () => {
    await expect(backup([...positions, ...list, ...archive], {}, { idleTimeoutMs: 100 })).rejects.toEqual(code("SERVER_SILENT"));
  });

  test.each(["at the start", "in the data"])("while the handler holds the socket %s, nobody counts the silence", async (point) => {
    let hold = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      hold = resolve;
    });
    const connection = await connected(
      async (peer) => {
        await peer.query();
        await peer.send(...positions, ...list, ...archive);
        await held;
        await peer.send(backend.archiveData("more"), ...manifest, ...end, backend.ready());
      },
      { idleTimeoutMs: 50 },
    );
    const seen: string[] = [];
    let flow: FlowControl | undefined;
    const pause = (): void => {
      flow?.pause();
      hold();
      setTimeout(() => {
        seen.push("resumed");
        flow?.resume();
      }, 400);
    };
    const result = await startBaseBackup(connection, { label: "l" }, {
      ...handler,
      onStart(_lsn, _timeline, control) {
        flow = control;
        if (point === "at the start") pause();
      },
      onArchiveData: (piece) => {
        seen.push(piece.toString());
        if (point === "in the data" && piece.toString() === "tar") pause();
      },
    });
    expect(seen).toEqual(["tar", "resumed", "more"]);
    expect(result).toMatchObject({ checksumFailures: false });
    await connection.terminate();
  });

  test("what the handler throws is the reason", async () => {
    const thrown = backup([...positions, ...list, ...archive], {
      onArchiveData: () => {
        throw new Error("no space");
      },
    });
    await expect(thrown).rejects.toMatchObject({ message: "no space" });
  });
});

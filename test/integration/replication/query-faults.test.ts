import { describe, expect, test } from "vitest";
import { connect, identifySystem } from "../../../src/replication/index.ts";
import { backend } from "../../support/backend-messages.ts";
import type { ScriptedPeer } from "../../support/scripted-walsender.ts";
import { code, connected, options, serve } from "./scripted.ts";

describe("during a query", () => {
  test("an error rejects and leaves the connection usable", async () => {
    const connection = await connected(async (peer) => {
      await peer.query();
      await peer.send(backend.error({ code: "42601", message: "syntax error" }), backend.ready());
      expect(await peer.query()).toBe("IDENTIFY_SYSTEM");
      const row = backend.row("7000000000000000001", "3", "16/B374D848", null);
      await peer.send(backend.columns("systemid", "timeline", "xlogpos", "dbname"), row, backend.complete("IDENTIFY_SYSTEM"), backend.ready());
    });
    await expect(connection.query("nonsense")).rejects.toMatchObject({ code: "SERVER_ERROR", details: { sqlstate: "42601" } });
    expect(await identifySystem(connection)).toEqual({
      systemIdentifier: "7000000000000000001",
      timeline: 3,
      xlogpos: 0x16_b374_d848n,
      database: null,
    });
    await connection.terminate();
  });

  test.each<[string, string, (peer: ScriptedPeer) => Promise<void>]>([
    ["garbage", "SERVER_PROTOCOL", (peer) => peer.send(Buffer.from("%$&/()=garbage"))],
    ["COPY data that nobody asked for", "SERVER_PROTOCOL", (peer) => peer.send(backend.copyData("x"))],
    ["a COPY that nobody asked for", "SERVER_PROTOCOL", (peer) => peer.send(backend.copyOut())],
    ["a row before its description", "SERVER_PROTOCOL", (peer) => peer.send(backend.row("x"))],
    ["the end", "SERVER_CONNECTION_LOST", async (peer) => { peer.end(); }],
    ["an error and the end", "SERVER_UNAVAILABLE", async (peer) => { await peer.send(backend.error({ severity: "FATAL", code: "57P01", message: "terminating" })); peer.end(); }],
  ])("%s ends the connection with %s", async (_what, expected, answer) => {
    const connection = await connected(async (peer) => {
      await peer.query();
      await answer(peer);
    });
    await expect(connection.query("SELECT 1")).rejects.toEqual(code(expected));
    expect(connection.isClosed).toBe(true);
    await expect(connection.query("SELECT 1")).rejects.toEqual(code(expected));
    await connection.closed;
  });

  test.each([
    ["rows", backend.row("x".repeat(1_000_000))],
    ["results", backend.complete("x".repeat(60_000))],
    ["descriptions", backend.columns("x".repeat(60_000))],
  ])("an answer of %s without end is cut off", async (_what, message) => {
    const connection = await connected(async (peer) => {
      await peer.query();
      await peer.send(backend.columns("a"));
      for (;;) await peer.send(message);
    });
    await expect(connection.query("SELECT 1")).rejects.toEqual(code("SERVER_PROTOCOL"));
  });

  test.each([
    ["notices", backend.notice({ severity: "NOTICE", code: "00000", message: "x".repeat(60_000) })],
    ["settings", backend.parameter("application_name", "x".repeat(60_000))],
  ])("%s without end and without an answer are cut off, whatever else they are a sign of", async (_what, message) => {
    const connection = await connected(
      async (peer) => {
        await peer.query();
        for (;;) await peer.send(message);
      },
      { idleTimeoutMs: 10_000 },
    );
    await expect(connection.query("SELECT 1")).rejects.toMatchObject({ code: "SERVER_PROTOCOL", message: expect.stringContaining("without end") as string });
    await connection.closed;
  });

  test("silence is given up, also when the server trickled before", async () => {
    const connection = await connected(
      async (peer) => {
        await peer.query();
        await peer.send(backend.columns("a"), backend.row("x"));
      },
      { idleTimeoutMs: 100 },
    );
    await expect(connection.query("SELECT 1")).rejects.toEqual(code("SERVER_SILENT"));
  });

  test("an abort sends a cancel request with the key of the connection, and closes it", async () => {
    const controller = new AbortController();
    let cancelled = "";
    await serve(async (peer) => {
      if (peer.number === 0) {
        await peer.accept();
        await peer.query();
        controller.abort();
        await peer.silence();
      } else {
        cancelled = (await peer.startUp()).get("cancel") ?? "";
        peer.end();
      }
    });
    const connection = await connect(options());
    await expect(connection.query("SELECT 1", controller.signal)).rejects.toEqual(code("ABORTED"));
    expect(cancelled).toBe("4711");
    expect(connection.isClosed).toBe(true);
  });

  test("an abort that comes too late still closes the connection, for its cancel request would hit the next command", async () => {
    const controller = new AbortController();
    await serve(async (peer) => {
      await (peer.number === 0 ? peer.accept() : peer.startUp());
      if (peer.number > 0) return;
      await peer.query();
      controller.abort();
      await peer.send(backend.complete("SELECT 0"), backend.ready());
    });
    const connection = await connect(options());
    expect(await connection.query("SELECT 1", controller.signal)).toMatchObject([{ tag: "SELECT 0" }]);
    expect(connection.isClosed).toBe(true);
    await connection.closed;
  });

  test("a second command while one runs is a defect that harms nobody", async () => {
    const connection = await connected(async (peer) => {
      await peer.query();
      await peer.send(backend.complete("SELECT 0"), backend.ready());
    });
    const first = connection.query("SELECT 1");
    await expect(connection.query("SELECT 2")).rejects.toEqual(code("CONNECTION_MISUSE"));
    expect(await first).toMatchObject([{ tag: "SELECT 0" }]);
    await connection.terminate();
  });

  test("a notice is told, and a goodbye said", async () => {
    const notices: string[] = [];
    let last = "";
    const connection = await connected(
      async (peer) => {
        await peer.query();
        await peer.send(backend.notice({ severity: "WARNING", code: "01000", message: "careful" }), backend.complete("X"), backend.ready());
        last = (await peer.receive()).type;
      },
      { onNotice: (notice) => notices.push(`${notice.severity} ${notice.message}`) },
    );
    await connection.query("SELECT 1");
    expect(notices).toEqual(["WARNING careful"]);
    await connection.terminate();
    expect(last).toBe("X");
    expect(connection.isClosed).toBe(true);
  });
});

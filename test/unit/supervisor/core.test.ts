import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Configuration } from "../../../src/config/index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import { createCore } from "../../../src/supervisor/core.ts";
import { noMasterKey } from "../../../src/supervisor/live-master-key.ts";
import { createManualClock, createRecordingLogger } from "./stand-ins.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mc"));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("a damaged file that says whether a server is offline", () => {
  it("takes that one server out of service until somebody decides, and no other", async () => {
    const storage = openLocalStorage(directory);
    await storage.makeDirectory("odd");
    await storage.replaceFile("odd/offline", "\0\0\0");
    const { logger, records } = createRecordingLogger();
    const main = { logLevel: "info", workers: 1, maxRate: 0, updateProcessTitle: "never" };
    const servers = ["good", "odd"].map((name) => ({ name, workers: 1, maxRate: 0 }));
    const core = await createCore(
      {
        configuration: { main, servers } as unknown as Configuration,
        masterKey: noMasterKey,
        version: "0",
        clock: createManualClock(),
        logger,
        logSink: { write: () => undefined } as never,
        environment: {},
      },
      storage,
      0,
    );
    expect(core.servers.map(({ online, problem }) => [online, problem?.code])).toEqual([
      [true, undefined],
      [false, "MODE_FILE"],
    ]);
    expect(records.filter(({ level }) => level === "error").map(({ fields }) => fields["code"])).toEqual(["MODE_FILE"]);
    const [, odd] = core.servers;
    if (odd === undefined) throw new Error("there is no second server");
    await core.setOnline(odd, false);
    expect([odd.online, odd.problem]).toEqual([false, undefined]);
  });
});

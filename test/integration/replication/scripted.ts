import { afterEach, expect } from "vitest";
import { connect } from "../../../src/replication/index.ts";
import type { ConnectOptions, Connection } from "../../../src/replication/index.ts";
import { createScriptedWalsender } from "../../support/scripted-walsender.ts";
import type { ScriptedOptions, ScriptedPeer, ScriptedWalsender } from "../../support/scripted-walsender.ts";

let server: ScriptedWalsender;

afterEach(async () => {
  expect(server.failures).toEqual([]);
  await server.close();
});

/** Starts the server of a test; it is closed after the test, and none of its scripts may have failed. */
export async function serve(script: (peer: ScriptedPeer) => Promise<void>, options?: ScriptedOptions): Promise<ScriptedWalsender> {
  server = await createScriptedWalsender(script, options);
  return server;
}

/** How to connect to the server of the test. */
export function options(extra: Partial<ConnectOptions> = {}): ConnectOptions {
  return {
    host: server.host,
    port: server.port,
    user: "repl",
    password: async () => "secret",
    replication: true,
    applicationName: "moneta",
    tls: { mode: "disable" },
    connectTimeoutMs: 20_000,
    keepAlive: true,
    noDelay: true,
    ...extra,
  };
}

/** Starts a server, connects, and lets its script go on after "ready". */
export async function connected(script: (peer: ScriptedPeer) => Promise<void>, extra: Partial<ConnectOptions> = {}): Promise<Connection> {
  await serve(async (peer) => {
    await peer.accept();
    await script(peer);
    await peer.silence();
  });
  return await connect(options(extra));
}

/** Matches an error of the catalogue. */
export const code = (expected: string): object => expect.objectContaining({ code: expected }) as object;

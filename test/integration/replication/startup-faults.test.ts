import { describe, expect, test } from "vitest";
import { connect, readPassFile } from "../../../src/replication/index.ts";
import { backend, backendMessage } from "../../support/backend-messages.ts";
import type { ScriptedPeer } from "../../support/scripted-walsender.ts";
import { code, options, serve } from "./scripted.ts";

describe("during start-up", () => {
  test("all that PostgreSQL sends may come byte by byte", async () => {
    await serve(async (peer) => {
      await peer.startUp();
      const parameters = [backend.parameter("server_version", "15.18 (x)"), backend.parameter("in_hot_standby", "off")];
      await peer.sendByteByByte(Buffer.concat([backend.authenticationOk(), ...parameters, backend.key(7, 8), backend.ready()]));
    });
    const connection = await connect(options());
    expect(connection).toMatchObject({ serverVersion: 150_018, processId: 7, secretKey: 8, authentication: "trust", encrypted: false });
    expect(connection.parameter("in_hot_standby")).toBe("off");
    await connection.terminate();
  });

  test("the start-up packet names user, replication and application, and no database", async () => {
    let parameters: ReadonlyMap<string, string> | undefined;
    await serve(async (peer) => {
      parameters = await peer.accept();
    });
    await (await connect(options())).terminate();
    expect(Object.fromEntries(parameters ?? [])).toEqual({
      user: "repl",
      replication: "true",
      application_name: "moneta",
      client_encoding: "SQL_ASCII",
    });
  });

  test.each<[string, string, (peer: ScriptedPeer) => Promise<void>]>([
    ["a web server", "SERVER_PROTOCOL", (peer) => peer.send(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"))],
    ["an unknown message", "SERVER_PROTOCOL", (peer) => peer.send(backendMessage("!", Buffer.alloc(3)))],
    ["an oversized message", "SERVER_PROTOCOL", (peer) => peer.send(backendMessage("R", Buffer.alloc(0), 1_000_000_000))],
    ["rows that nobody asked for", "SERVER_PROTOCOL", (peer) => peer.send(backend.row("x"))],
    ["ready without authentication", "SERVER_PROTOCOL", (peer) => peer.send(backend.ready())],
    ["another protocol version", "SERVER_PROTOCOL", (peer) => peer.send(backendMessage("v", Buffer.alloc(8)))],
    ["thousands of parameters", "SERVER_PROTOCOL", (peer) => peer.send(backend.authenticationOk(), ...Array.from({ length: 1001 }, (_, i) => backend.parameter(`p${i}`, "x")))],
    ["md5", "AUTH_METHOD_UNSUPPORTED", (peer) => peer.send(backend.authentication(5, Buffer.alloc(4)))],
    ["GSSAPI", "AUTH_METHOD_UNSUPPORTED", (peer) => peer.send(backend.authentication(7))],
    ["an unknown SASL mechanism", "AUTH_METHOD_UNSUPPORTED", (peer) => peer.send(backend.sasl("OAUTHBEARER"))],
    ["SASL that was not begun", "SERVER_PROTOCOL", (peer) => peer.send(backend.saslContinue("r=x"))],
    ["an error", "SERVER_UNAVAILABLE", (peer) => peer.send(backend.error({ severity: "FATAL", code: "57P03", message: "starting up" }))],
    ["a reset", "SERVER_CONNECTION_LOST", async (peer) => { peer.cut(); }],
    ["half a message and the end", "SERVER_CONNECTION_LOST", async (peer) => { await peer.send(backend.authenticationOk().subarray(0, 6)); peer.end(); }],
  ])("%s ends in %s", async (_what, expected, answer) => {
    await serve(async (peer) => {
      await peer.startUp();
      await answer(peer);
      await peer.silence();
    });
    await expect(connect(options())).rejects.toEqual(code(expected));
  });

  test("a server that says yes without having proved that it knows the password is refused", async () => {
    await serve(async (peer) => {
      await peer.startUp();
      await peer.send(backend.sasl("SCRAM-SHA-256"));
      await peer.receive();
      await peer.send(backend.authenticationOk(), backend.ready());
      await peer.silence();
    });
    await expect(connect(options())).rejects.toEqual(code("SERVER_PROTOCOL"));
  });

  test("a password is asked for only when it is needed, and its absence is named", async () => {
    await serve(async (peer) => {
      await peer.startUp();
      await peer.send(backend.authentication(3));
      await peer.silence();
    });
    await expect(connect(options({ password: async () => undefined }))).rejects.toEqual(code("AUTH_PASSWORD_MISSING"));
  });

  test("what the search for the password throws is the reason", async () => {
    await serve(async (peer) => {
      await peer.startUp();
      await peer.send(backend.sasl("SCRAM-SHA-256"));
      await peer.silence();
    });
    const password = async (): Promise<string | undefined> => await readPassFile(import.meta.dirname, "h", 1, "replication", "u");
    await expect(connect(options({ password }))).rejects.toEqual(code("PASS_FILE_REFUSED"));
  });

  test("a cleartext password is sent as it is, and the method is told", async () => {
    let sent = "";
    await serve(async (peer) => {
      await peer.startUp();
      await peer.send(backend.authentication(3));
      sent = (await peer.receive()).body.toString("utf8");
      await peer.send(backend.authenticationOk(), backend.parameter("server_version", "15.1"), backend.ready());
    });
    const connection = await connect(options({ password: async () => "pässword" }));
    expect(sent).toBe("pässword\0");
    expect(connection.authentication).toBe("cleartext");
    await connection.terminate();
  });

  test("a silent server is given up after the connect time-out", async () => {
    await serve(async (peer) => {
      await peer.startUp();
      await peer.silence();
    });
    await expect(connect(options({ connectTimeoutMs: 100 }))).rejects.toEqual(code("SERVER_CONNECT_TIMEOUT"));
  });

  test("a server that never comes to an end with what it has to say first is given up", async () => {
    const floods: readonly (readonly [(number: number) => Buffer, string])[] = [
      [(number) => backend.parameter(`name${number}`, "x"), "SERVER_PROTOCOL"],
      [() => backend.notice({ code: "01000", message: "wait" }), "SERVER_CONNECT_TIMEOUT"],
    ];
    for (const [message, expected] of floods) {
      const server = await serve(async (peer) => {
        await peer.startUp();
        await peer.send(backend.authenticationOk());
        for (let number = 0; ; number += 1) {
          await peer.send(message(number));
          await new Promise((resolve) => setImmediate(resolve));
        }
      });
      const connectTimeoutMs = expected === "SERVER_PROTOCOL" ? 20_000 : 300;
      await expect(connect(options({ connectTimeoutMs }))).rejects.toEqual(code(expected));
      await server.close();
    }
  });

  test("an abort is felt while the server is silent", async () => {
    const controller = new AbortController();
    await serve(async (peer) => {
      await peer.startUp();
      controller.abort();
      await peer.silence();
    });
    await expect(connect(options(), controller.signal)).rejects.toEqual(code("ABORTED"));
  });

  test("a port without a server is unreachable, an aborted signal not even tried", async () => {
    const server = await serve(async () => undefined);
    await server.close();
    await expect(connect(options())).rejects.toEqual(code("SERVER_UNREACHABLE"));
    await expect(connect(options(), AbortSignal.abort())).rejects.toEqual(code("ABORTED"));
    await expect(connect({ ...options(), host: "nowhere.invalid" })).rejects.toMatchObject({
      code: "SERVER_NAME_UNRESOLVED",
      retryable: true,
      message: expect.stringMatching(/^the host name nowhere\.invalid cannot be resolved: .*(ENOTFOUND|EAI_AGAIN)/) as string,
    });
  });
});

describe("when TLS is asked for", () => {
  const refuses = async (peer: ScriptedPeer): Promise<void> => {
    await peer.accept();
  };

  test("a server without it is used in clear text only when the operator did not insist", async () => {
    await serve(refuses);
    const connection = await connect(options({ tls: { mode: "prefer" } }));
    expect(connection.encrypted).toBe(false);
    await connection.terminate();
    await expect(connect(options({ tls: { mode: "require" } }))).rejects.toEqual(code("TLS_REFUSED"));
  });

  test.each([
    ["clear text slipped in after the yes", Buffer.concat([Buffer.from("S"), backend.authenticationOk()]), "SERVER_PROTOCOL"],
    ["an error of a stranger", backend.error({ code: "28000", message: "give me your password" }).subarray(0, 1), "TLS_REFUSED"],
    ["an answer that is none", Buffer.from("x"), "TLS_REFUSED"],
  ])("%s is refused", async (_what, answer, expected) => {
    await serve(refuses, { tls: answer });
    await expect(connect(options({ tls: { mode: "prefer" } }))).rejects.toEqual(code(expected));
  });

  test("no byte of TLS is spoken over a Unix socket", async () => {
    await serve(refuses, { unix: true, tls: Buffer.from("S") });
    const connection = await connect(options({ tls: { mode: "require" } }));
    expect(connection.encrypted).toBe(false);
    await connection.terminate();
  });
});

import { serialize } from "pg-protocol";
import { commonErrors, toMonetaError, type MonetaError } from "../common/index.ts";
import { parseServerVersion } from "../postgres/index.ts";
import type { ConnectOptions } from "./connect-options.ts";
import { replicationErrors } from "./errors.ts";
import { createResultCollector, type QueryResult } from "./query.ts";
import { withRemedy } from "./refused-connection.ts";
import { withTlsRemedy } from "./refused-tls.ts";
import { createSession, type Session } from "./session.ts";
import { startUp, type AuthenticationMethod } from "./startup.ts";
import { openTransport } from "./transport.ts";
import { createCopyBoth, type CopyBothHandler, type CopyBothStream } from "./copy-both.ts";
import { runCopyOut, type CopyOutHandler, type CopyOutResult } from "./copy-out.ts";

/** A connection to a PostgreSQL server, for SQL or replication commands. One command runs at a time. */
export interface Connection {
  /** `server_version_num`, for example 150018. */
  readonly serverVersion: number;
  readonly processId: number;
  readonly secretKey: number;
  readonly encrypted: boolean;
  /** DER of the certificate that the server showed. */
  readonly serverCertificate: Buffer | undefined;
  readonly authentication: AuthenticationMethod;
  /** How long it waits for a byte; 0 for ever. */
  readonly idleTimeoutMs: number;
  readonly isClosed: boolean;
  /** Resolves, never rejects, when the connection is gone for whatever reason. */
  readonly closed: Promise<void>;
  /** A parameter as the server reported it last (ParameterStatus), for example `in_hot_standby`. */
  parameter(name: string): string | undefined;
  /** Simple query protocol. An error of the server rejects and leaves the connection usable; an abort cancels and closes it. */
  query(sql: string, signal?: AbortSignal): Promise<QueryResult[]>;
  /** A command that answers with results and COPY streams in any order. The error of the server is returned, not thrown. */
  copyOut(sql: string, handler: CopyOutHandler, signal?: AbortSignal): Promise<CopyOutResult>;
  /** A command that becomes a stream in both directions. */
  copyBoth(sql: string, handler: CopyBothHandler): CopyBothStream;
  /** Says goodbye and closes; resolves when it is closed. Never rejects. */
  terminate(): Promise<void>;
  /** Asks the server, over a second connection, to cancel what runs here. Best effort: it never rejects. */
  cancel(): Promise<void>;
  /** Closes at once; whatever runs is rejected with `error`. */
  destroy(error?: MonetaError): void;
}

/** How long a polite goodbye and a cancel request may take. */
const farewellMs = 2_000;

/**
 * Connects and authenticates. Throws SERVER_UNREACHABLE, SERVER_NAME_UNRESOLVED, SERVER_CONNECT_TIMEOUT, TLS_REFUSED, TLS_FAILED,
 * TLS_SETTINGS, AUTH_…, ABORTED, or the server's own error (SERVER_UNAVAILABLE while it starts, for example).
 */
export async function connect(options: ConnectOptions, signal?: AbortSignal): Promise<Connection> {
  try {
    return await open(options, signal);
  } catch (error) {
    throw await withTlsRemedy(error, options);
  }
}

async function open(options: ConnectOptions, signal: AbortSignal | undefined): Promise<Connection> {
  return await withinConnectTime(options, signal, async (limit) => {
    const session = createSession(await openTransport(options, limit), options.onNotice);
    const onAbort = (): void => {
      session.fail(toMonetaError(limit.reason));
    };
    if (limit.aborted) onAbort();
    limit.addEventListener("abort", onAbort, { once: true });
    try {
      const authentication = await startUp(session, options);
      return makeConnection(session, options, authentication);
    } catch (error) {
      session.fail(toMonetaError(error));
      throw options.replication ? withRemedy(error, options.user, options.host) : error;
    } finally {
      limit.removeEventListener("abort", onAbort);
    }
  });
}

/** Runs `attempt` with a signal that carries the reason why it has to stop, and throws that reason if it fired. */
async function withinConnectTime<T>(
  options: ConnectOptions,
  signal: AbortSignal | undefined,
  attempt: (limit: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const { host, port, connectTimeoutMs } = options;
  const timer = setTimeout(() => {
    const message = `no connection to ${host} port ${port} within ${connectTimeoutMs} ms`;
    controller.abort(replicationErrors.connectTimeout(message, { host, port, connectTimeoutMs }));
  }, connectTimeoutMs);
  const onAbort = (): void => {
    controller.abort(aborted(signal));
  };
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await attempt(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? toMonetaError(controller.signal.reason) : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

function aborted(signal: AbortSignal | undefined): MonetaError {
  return commonErrors.aborted("the operation was cancelled", {}, signal?.reason);
}

function makeConnection(session: Session, options: ConnectOptions, authentication: AuthenticationMethod): Connection {
  const idleTimeoutMs = options.idleTimeoutMs ?? 0;
  const cancel = async (): Promise<void> => {
    await sendCancelRequest(session.key, options);
  };

  /** Runs a command; aborting cancels it on the server too, which would otherwise notice only at its next write. */
  const abortable = async <T>(signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> => {
    if (signal === undefined) return await run();
    if (signal.aborted) throw aborted(signal);
    const onAbort = (): void => {
      void cancel().finally(() => {
        session.fail(aborted(signal));
      });
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await run();
    } catch (error) {
      throw signal.aborted ? aborted(signal) : error;
    } finally {
      signal.removeEventListener("abort", onAbort);
      // Even if the command was faster: the cancel request under way would hit the next one.
      if (signal.aborted) session.fail(aborted(signal));
    }
  };

  return {
    serverVersion: parseServerVersion(session.parameters.get("server_version") ?? ""),
    processId: session.key.processId,
    secretKey: session.key.secretKey,
    encrypted: session.transport.serverCertificate !== undefined,
    serverCertificate: session.transport.serverCertificate,
    authentication,
    idleTimeoutMs,
    get isClosed() {
      return session.isClosed;
    },
    closed: session.closed,
    parameter: (name) => session.parameters.get(name),
    query: (sql, signal) => abortable(signal, () => runQuery(session, sql, idleTimeoutMs)),
    copyOut: (sql, handler, signal) =>
      abortable(signal, async () => {
        const result = await runCopyOut(session, sql, handler, idleTimeoutMs);
        // The server may still answer to the cancel request; that answer is not the reason.
        if (signal?.aborted === true && result.error !== undefined) throw result.error;
        return result;
      }),
    copyBoth: (sql, handler) => createCopyBoth(session, sql, handler, idleTimeoutMs),
    async terminate() {
      if (!session.isClosed) {
        session.send(serialize.end());
        session.transport.end();
      }
      // A paused stream would never see the end.
      session.resume();
      const timer = setTimeout(() => {
        session.transport.destroy();
      }, farewellMs);
      await session.closed;
      clearTimeout(timer);
    },
    cancel,
    destroy(error) {
      session.fail(error ?? replicationErrors.connectionLost("connection was closed on our side"));
    },
  };
}

async function runQuery(session: Session, sql: string, idleTimeoutMs: number): Promise<QueryResult[]> {
  return await new Promise((resolve, reject) => {
    const collector = createResultCollector();
    session.begin({
      message(message) {
        if (!collector.take(message)) throw replicationErrors.protocol(`message "${message.kind}" in the answer to a query`);
        if (message.kind !== "ready") return;
        session.release();
        if (collector.error === undefined) resolve(collector.results);
        else reject(collector.error);
      },
      failed: reject,
    });
    session.watch(idleTimeoutMs);
    session.send(serialize.query(sql));
  });
}

/** CancelRequest goes over a connection of its own, encrypted like the first; the server answers by closing it. */
async function sendCancelRequest(key: Session["key"], options: ConnectOptions): Promise<void> {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort();
  }, farewellMs);
  try {
    const transport = await openTransport(options, controller.signal);
    const closed = new Promise<void>((resolve) => {
      transport.listen({ bytes: () => undefined, closed: () => resolve() });
      controller.signal.addEventListener("abort", () => {
        transport.destroy();
      });
    });
    transport.write(serialize.cancel(key.processId, key.secretKey));
    await closed;
  } catch {
    // Best effort: the caller closes the connection anyway, and the server notices that by itself, only later.
  } finally {
    clearTimeout(timer);
  }
}

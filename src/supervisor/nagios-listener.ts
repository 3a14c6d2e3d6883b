/**
 * The answers of the checks over HTTP on the `nagios` port: GET /<server> for one server, GET / for all of them, as text
 * in the form of a plugin. The HTTP status says it too, so that check_http alone has it right: 200 ok, 417 warning (it
 * takes 4xx for a warning), 503 critical, 500 unknown. It only reads, and asks a server at most as often as `freshMs`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIPv6 } from "node:net";
import { nagiosLines, pluginOutput, type CheckReport, type OverallStatus } from "../check/index.ts";
import { messageOf } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { Checks } from "./checks.ts";
import { supervisorErrors } from "./errors.ts";
import type { ReloadPart } from "./reload-part.ts";
import type { SupervisedServer } from "./server.ts";

export interface NagiosSettings {
  /** `host`: an address, a name, or `*`. */
  readonly host: string;
  /** 0: nothing listens. */
  readonly port: number;
}

export interface PreparedListener {
  commit(): void;
  abandon(): Promise<void>;
}

export interface NagiosListener {
  /** Listens there from now on, or nowhere. Throws NAGIOS_PORT, and what listened before goes on. */
  update(settings: NagiosSettings): Promise<void>;
  /** The same in two steps: the new place is taken, and the old one is left with `commit`. */
  prepare(settings: NagiosSettings): Promise<PreparedListener>;
  close(): Promise<void>;
}

export interface NagiosOptions {
  readonly servers: () => readonly SupervisedServer[];
  readonly checks: Pick<Checks, "check">;
  readonly logger: Logger;
}

/** An answer of a server is reused for so long: whoever asks cannot make processes start without end. Milliseconds. */
const freshMs = 30_000;
const mostConnections = 32;
const requestMs = 10_000;

const httpStatus: Readonly<Record<OverallStatus, number>> = { ok: 200, warning: 417, critical: 503, unknown: 500 };
const worstFirst: readonly OverallStatus[] = ["critical", "warning", "unknown", "ok"];

export function createNagiosListener({ servers, checks, logger }: NagiosOptions): NagiosListener {
  let open: { readonly server: Server; readonly settings: NagiosSettings } | undefined;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      reply(response, 405, ["only GET is answered here"], { Allow: "GET, HEAD" });
      return;
    }
    const name = nameIn(request.url ?? "/");
    const chosen = name === "" ? servers() : servers().filter((server) => server.name === name);
    if (chosen.length === 0) {
      reply(response, 404, pluginOutput("UNKNOWN", `there is no server ${JSON.stringify(name)}`, []));
      return;
    }
    const reports = await Promise.all(chosen.map((server) => reportOf(server)));
    const status = worstFirst.find((one) => reports.some((report) => report.status === one)) ?? "unknown";
    const [only] = reports;
    reply(response, httpStatus[status], reports.length === 1 && only !== undefined ? only.lines : together(status, reports));
  }

  async function reportOf(server: SupervisedServer): Promise<{ readonly status: OverallStatus; readonly lines: string[] }> {
    try {
      const report: CheckReport = await checks.check(server, freshMs);
      return { status: report.status, lines: nagiosLines(report) };
    } catch (error) {
      return { status: "unknown", lines: pluginOutput("UNKNOWN", `${server.name}: it could not be checked: ${messageOf(error)}`, []) };
    }
  }

  async function listen(settings: NagiosSettings): Promise<Server> {
    const server = createServer((request, response) => {
      answer(request, response).catch((error: unknown) => {
        logger.error(`a question of Nagios could not be answered: ${messageOf(error)}`);
        if (!response.headersSent) reply(response, 500, pluginOutput("UNKNOWN", "the question could not be answered", []));
        else response.destroy();
      });
    });
    server.maxConnections = mostConnections;
    server.headersTimeout = requestMs;
    server.requestTimeout = requestMs;
    server.keepAliveTimeout = 1000;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(settings.port, settings.host === "*" ? undefined : settings.host, () => resolve());
    }).catch((error: unknown) => {
      throw supervisorErrors.nagiosPort(`the Nagios port ${settings.port} of ${settings.host} cannot be opened: ${messageOf(error)}`, { ...settings }, error);
    });
    server.on("error", (error) => logger.error(`the Nagios port: ${error.message}`));
    const host = isIPv6(settings.host) ? `[${settings.host}]` : settings.host;
    logger.info(`checks are answered on http://${host}:${settings.port}/`);
    return server;
  }

  const shut = (server: Server): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });

  type Open = NonNullable<typeof open>;
  const reopen = async ({ settings }: Open): Promise<Open> => ({ server: await listen(settings), settings });

  async function prepare(settings: NagiosSettings): Promise<PreparedListener> {
    let before = open;
    if ((before?.settings.port ?? 0) === settings.port && (settings.port === 0 || before?.settings.host === settings.host)) {
      return { commit: () => undefined, abandon: async () => undefined };
    }
    let left: Open | undefined;
    // On the same port the new one can only come after the old one.
    if (before !== undefined && before.settings.port === settings.port) {
      left = before;
      await shut(before.server);
      before = undefined;
      open = undefined;
    }
    let next: Open | undefined;
    try {
      next = settings.port === 0 ? undefined : { server: await listen(settings), settings };
    } catch (error) {
      if (left !== undefined) open = await reopen(left);
      throw error;
    }
    return {
      commit() {
        open = next;
        if (before !== undefined) void shut(before.server);
      },
      async abandon() {
        if (next !== undefined) await shut(next.server);
        if (left !== undefined) open = await reopen(left);
      },
    };
  }

  return {
    prepare,
    async update(settings) {
      (await prepare(settings)).commit();
    },
    async close() {
      const before = open;
      open = undefined;
      if (before !== undefined) await shut(before.server);
    },
  };
}

/** Has the port move with `nagios` and `host`. */
export function nagiosPart(listener: NagiosListener): ReloadPart {
  return {
    name: "the Nagios port",
    prepare({ after }) {
      const { host, nagios } = after.configuration.main;
      return listener.prepare({ host, port: nagios });
    },
  };
}

/** `/`, `/primary`, `/check/primary`, whatever stands behind a question mark. */
function nameIn(url: string): string {
  const path = url.split("?", 1)[0] ?? "/";
  try {
    return decodeURIComponent(path.replace(/^\/(?:check\/)?/, "").replace(/\/$/, ""));
  } catch {
    // No text in any encoding: no server has that name.
    return path;
  }
}

function together(status: OverallStatus, reports: readonly { readonly status: OverallStatus; readonly lines: readonly string[] }[]): string[] {
  const count = (wanted: OverallStatus): string => `${reports.filter((report) => report.status === wanted).length} ${wanted}`;
  const word = { ok: "OK", warning: "WARNING", critical: "CRITICAL", unknown: "UNKNOWN" } as const;
  const lines = reports
    .toSorted((a, b) => worstFirst.indexOf(a.status) - worstFirst.indexOf(b.status))
    .flatMap(({ lines: [first = "", ...more], status: own }) => (own === "ok" ? [] : [first.split(" | ", 1)[0] ?? "", ...more]));
  return pluginOutput(word[status], `${reports.length} servers: ${worstFirst.map(count).join(", ")}`, lines);
}

function reply(response: ServerResponse, status: number, lines: readonly string[], headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", ...headers });
  response.end(`${lines.join("\n")}\n`);
}

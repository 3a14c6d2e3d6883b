/** What the listener answers: a pure function of the request. */
import type { IncomingHttpHeaders } from "node:http";
import { chooseFormat, contentTypes, type ExpositionFormat } from "../metrics/index.ts";

export interface Request {
  readonly method: string;
  /** As it came, with the query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: readonly Buffer[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** Why the daemon is not ready; nothing when it is. */
export type Readiness = () => readonly string[];

export interface Content {
  readonly metrics: (format: ExpositionFormat) => Promise<readonly Buffer[]>;
  /** The page at `/`. */
  readonly page: () => Buffer;
  readonly notReady: Readiness;
}

const plain = "text/plain; charset=utf-8";
const text = (status: number, body: string, headers: Answer["headers"] = {}): Answer => ({ status, type: plain, body: [Buffer.from(`${body}\n`)], headers });

const known = new Set(["/", "/index.html", "/metrics", "/healthz", "/readyz"]);

export async function answer({ method, url, headers }: Request, content: Content): Promise<Answer> {
  const path = url.replace(/[?#].*$/s, "");
  if (!known.has(path)) return text(404, "There is nothing here; / says what there is.");
  if (method !== "GET" && method !== "HEAD") return text(405, "Only GET and HEAD are answered.", { Allow: "GET, HEAD" });
  switch (path) {
    case "/metrics": {
      const format = chooseFormat(headers.accept);
      return { status: 200, type: contentTypes[format], body: await content.metrics(format), headers: { Vary: "Accept" } };
    }
    case "/healthz":
      return text(200, "ok");
    case "/readyz": {
      const reasons = content.notReady();
      return reasons.length === 0 ? text(200, "ready") : text(503, reasons.join("\n"));
    }
    default: {
      const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
      return { status: 200, type: "text/html; charset=utf-8", body: [content.page()], headers: { "Content-Security-Policy": policy } };
    }
  }
}

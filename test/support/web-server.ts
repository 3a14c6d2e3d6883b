/** An HTTP server of a test that remembers what it was sent, over TLS where it is given a certificate. */
import { createServer, type IncomingHttpHeaders } from "node:http";
import { createServer as createSecured } from "node:https";
import type { AddressInfo } from "node:net";
import { readFileSync } from "node:fs";
import type { Certificate } from "./certificates.ts";
import { registerResource } from "./resources.ts";
import { waitFor } from "./wait-for.ts";

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

export interface WebServer {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  /** Status of the answers from now on; "silence" for none. */
  answer: number | "silence";
  /** Waits until something of it is what is looked for. */
  waitFor(what: string, matches: (received: Received) => boolean): Promise<Received>;
  close(): Promise<void>;
}

export async function createWebServer(certificate?: Certificate): Promise<WebServer> {
  const received: Received[] = [];
  const files = certificate === undefined ? undefined : { cert: readFileSync(certificate.certFile), key: readFileSync(certificate.keyFile) };
  const listener: Parameters<typeof createServer>[1] = (request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const text = Buffer.concat(pieces).toString("utf8");
      received.push({ path: request.url ?? "", headers: request.headers, body: text === "" ? undefined : (JSON.parse(text) as unknown) });
      if (self.answer === "silence") return;
      response.writeHead(self.answer);
      response.end("seen");
    });
  };
  const server = files === undefined ? createServer(listener) : createSecured(files, listener);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const self: WebServer = {
    url: `${files === undefined ? "http" : "https"}://localhost:${port}`,
    port,
    received,
    answer: 200,
    async waitFor(what, matches) {
      await waitFor(what, () => received.some(matches), { seen: () => received.map(({ body }) => body) });
      const found = received.find(matches);
      if (found === undefined) throw new Error("it was there a moment ago");
      return found;
    },
    close: () =>
      new Promise((resolve) => {
        forget();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const forget = registerResource({ name: `web server ${port}`, release: () => self.close(), abandon: () => server.closeAllConnections() });
  return self;
}

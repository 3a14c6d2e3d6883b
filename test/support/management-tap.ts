/** A management socket that hands everything on to the daemon's and keeps what was asked and answered, for tests that judge answers. */
import { chmod, mkdir } from "node:fs/promises";
import { createConnection, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { commandByNumber, createFrameReader, decodeFrame, maxAnswerBytes, maxRequestBytes } from "../../src/management/index.ts";

export interface Conversation {
  readonly command: string;
  /** The whole document, every category of it. */
  readonly answer: Readonly<Record<string, unknown>>;
}

export interface ManagementTap {
  /** What `unix_socket_dir` of a client is to be. */
  readonly directory: string;
  /** Those that are complete, and not encrypted. */
  readonly conversations: () => Promise<readonly Conversation[]>;
  close(): Promise<void>;
}

/** Listens in a new directory at `directory`; `socketDir` is the daemon's. */
export async function tapManagement(directory: string, socketDir: string): Promise<ManagementTap> {
  const kept: { readonly request: Promise<string>; readonly answer: Promise<string> }[] = [];
  const collected = (socket: Socket, limit: number): Promise<string> =>
    new Promise((resolve) => {
      const reader = createFrameReader(limit);
      socket.on("data", (piece: Buffer) => {
        const frame = reader.push(piece);
        if (frame !== undefined) resolve(decodeFrame(frame, undefined, limit));
      });
      socket.on("close", () => resolve(""));
    });
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const daemon = createConnection({ path: join(socketDir, ".s.pgmoneta"), allowHalfOpen: true });
    kept.push({ request: collected(client, maxRequestBytes), answer: collected(daemon, maxAnswerBytes) });
    for (const [from, to] of [[client, daemon], [daemon, client]] as const) {
      from.on("error", () => to.destroy());
      from.on("close", () => to.end());
      from.pipe(to);
    }
  });
  await mkdir(directory, { mode: 0o755 });
  const path = join(directory, ".s.pgmoneta");
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  await chmod(path, 0o777);
  return {
    directory,
    async conversations() {
      const texts = await Promise.all(kept.map(async ({ request, answer }) => [await request, await answer] as const));
      return texts.flatMap(([request, answer]) => {
        if (request === "" || answer === "") return [];
        const { Command } = (JSON.parse(request) as { Header: { Command: number } }).Header;
        return [{ command: commandByNumber(Command) ?? String(Command), answer: JSON.parse(answer) as Conversation["answer"] }];
      });
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

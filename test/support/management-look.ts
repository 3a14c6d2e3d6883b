/**
 * Looks at a daemon through its management socket without a process for each look: tests that wait look many times, and
 * a moneta-cli takes a fifth of a second of a core. The frame is written out here, so that our codec is not asked.
 */
import { createConnection } from "node:net";

/** Numbers of pgmoneta's commands that only look. */
const commands = { ping: 9, status: 7, "status details": 8 } as const;
export type LookCommand = keyof typeof commands;

/** The Response of the answer, with the values as they travel; throws unless the daemon answers and its outcome is true. */
export async function lookAt(socketPath: string, command: LookCommand): Promise<Readonly<Record<string, unknown>>> {
  const answer = await exchange(socketPath, {
    Header: { ClientVersion: "0.22.0", Command: commands[command], Compression: 0, Encryption: 0, Output: 2, Timestamp: "20260101000000" },
    Request: {},
  });
  const { Outcome, Response } = JSON.parse(answer) as { Outcome: { Status: boolean }; Response?: Readonly<Record<string, unknown>> };
  if (!Outcome.Status) throw new Error(`${command} failed: ${answer}`);
  return Response ?? {};
}

/** Sends one document in a frame of [no compression, no encryption, four bytes length] and returns the one that comes back. */
function exchange(path: string, document: unknown): Promise<string> {
  const payload = Buffer.from(JSON.stringify(document));
  const header = Buffer.alloc(6);
  header.writeUInt32BE(payload.length, 2);
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    const socket = createConnection({ path });
    socket.setTimeout(60_000, () => socket.destroy(new Error(`no answer at ${path} for a minute`)));
    socket.on("connect", () => socket.write(Buffer.concat([header, payload])));
    socket.on("data", (piece) => {
      pieces.push(piece);
      const bytes = Buffer.concat(pieces);
      if (bytes.length < 6 || bytes.length < 6 + bytes.readUInt32BE(2)) return;
      resolve(bytes.toString("utf8", 6));
      socket.destroy();
    });
    socket.on("error", reject);
    // After an answer this does nothing.
    socket.on("close", () => reject(new Error(`the daemon closed the connection at ${path} without an answer`)));
  });
}

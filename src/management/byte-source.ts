/** Bytes of a socket, as many as are asked for, before anybody listens to its data. */
import type { Socket } from "node:net";
import { managementErrors } from "./errors.ts";

/**
 * The next `count` bytes. What came beyond them stays in the socket for the next call, or for who listens to it then; a
 * socket that nobody reads from takes no more than its buffer. Throws `MANAGEMENT_CONNECTION_CLOSED` when it ends before.
 */
export function readBytes(socket: Socket, count: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      socket.removeListener("readable", look);
      socket.removeListener("end", lost);
      socket.removeListener("close", lost);
      socket.removeListener("error", lost);
    };
    const lost = (error?: unknown): void => {
      finish();
      reject(managementErrors.connectionClosed("the connection ended in the middle of the login", {}, error instanceof Error ? error : undefined));
    };
    const look = (): void => {
      const bytes = socket.read(count) as Buffer | null;
      // At the end of the stream what is left comes, however little.
      if (bytes === null) return;
      if (bytes.length < count) {
        lost();
        return;
      }
      finish();
      resolve(bytes);
    };
    if (count === 0) {
      resolve(Buffer.alloc(0));
      return;
    }
    if (socket.destroyed || socket.readableEnded) {
      lost();
      return;
    }
    socket.on("readable", look);
    socket.once("end", lost);
    socket.once("close", lost);
    socket.once("error", lost);
    look();
  });
}

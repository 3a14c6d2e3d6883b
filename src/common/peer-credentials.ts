/**
 * Who is at the other end of a Unix socket (SO_PEERCRED). Node cannot ask the kernel for it: a process that inherits
 * the descriptor does, as for the sync of a file system.
 */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";

export interface PeerCredentials {
  /** As they were when the connection was made. */
  readonly uid: number;
  readonly pid: number;
}

/** SOL_SOCKET and SO_PEERCRED of Linux; struct ucred is pid, uid, gid (unix(7)). */
const perl = 'open(my $s,"+<&=3")||exit 1;my $c=getsockopt($s,1,17);exit 1 unless defined $c;print join(" ",unpack("iII",$c))';
const python = "import socket,struct;s=socket.socket(fileno=3);print(*struct.unpack('iII',s.getsockopt(1,17,12)))";
const programs = [
  ["perl", "-e", perl],
  ["python3", "-I", "-c", python],
] as const;

/** Long enough for a busy machine; what asks goes on without an answer then. */
const patienceMs = 5_000;

function ask([command, ...args]: (typeof programs)[number], fd: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore", fd], timeout: patienceMs });
    let text = "";
    child.stdout?.setEncoding("latin1").on("data", (piece: string) => {
      if (text.length < 100) text += piece;
    });
    child.on("error", () => resolve(undefined));
    child.on("close", (status) => resolve(status === 0 ? text : undefined));
  });
}

/** Undefined where nobody can tell: the connection is gone, or neither perl nor python3 is there. Never rejects. */
export async function readPeerCredentials(socket: Socket): Promise<PeerCredentials | undefined> {
  for (const program of programs) {
    // No documented way leads to the number of the descriptor; it is read anew, because the socket may have closed.
    const fd = (socket as { _handle?: { fd?: number } | null })._handle?.fd;
    if (fd === undefined || fd < 0 || socket.destroyed) return undefined;
    const [, pid, uid] = /^(\d+) (\d+) \d+\s*$/.exec((await ask(program, fd)) ?? "") ?? [];
    if (pid !== undefined && uid !== undefined) return { pid: Number(pid), uid: Number(uid) };
  }
  return undefined;
}

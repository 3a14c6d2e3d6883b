/** Stands where a service manager stands: a datagram socket, read by perl, because Node has none. */
import { startProcess } from "./processes.ts";
import { waitFor } from "./wait-for.ts";

export interface StandInManager {
  /** What NOTIFY_SOCKET names. */
  readonly socket: string;
  /** The datagrams so far, in their order, as they came. */
  readonly received: () => string[];
  /** Resolves with the first datagram of which that is true, from the one numbered `from` on. */
  heard(what: string, is: (datagram: string) => boolean, from?: number): Promise<string>;
  /** Reads no more; the socket stays where it is. */
  stop(): Promise<void>;
}

const reader = `use Socket;$|=1;my $a=shift;$a=~s/^\\@/\\0/;socket(my $s,PF_UNIX,SOCK_DGRAM,0)||die "$!\\n";
bind($s,pack_sockaddr_un($a))||die "$a: $!\\n";print "listening\\n";
while(1){my $m;print unpack("H*",$m),"\\n" if defined recv($s,$m,8192,0)}`;

/** Listens at a path that is free, or at `@` and an abstract name, as the user that daemons run as. */
export async function listenAsManager(socket: string): Promise<StandInManager> {
  const perl = await startProcess("perl", ["-e", reader, socket], { unprivileged: true });
  await waitFor("the stand-in of the service manager listens", () => perl.stdout().startsWith("listening\n"), { seen: () => perl.stderr() });
  const received = (): string[] =>
    perl
      .stdout()
      .split("\n")
      .slice(1, -1)
      .map((line) => Buffer.from(line, "hex").toString());
  return {
    socket,
    received,
    heard: (what, is, from = 0) => waitFor(what, () => received().slice(from).find(is), { seen: () => received().slice(-20) }),
    async stop() {
      perl.kill("SIGKILL");
      await perl.finished;
    },
  };
}

/** Whether a datagram has that assignment, all of it. */
export const says = (assignment: string) => (datagram: string): boolean => datagram.split("\n").includes(assignment);

/**
 * Programs that put datagrams into a Unix socket, which Node cannot. The first two stay and read messages from standard
 * input, one a line with tabs between the assignments, and answer each with a line: `ok`, or why the socket did not take it.
 * systemd asks the kernel for the control group of the sender, so a sender must still be there when its message is read; that is
 * why they stay. The last one is systemd's own, which waits for that by itself. Signals for the process group of the daemon
 * do not end them: the end of their input does.
 */

export interface SenderProgram {
  readonly command: string;
  /** Whether it stays and reads. */
  readonly stays: boolean;
  /** @param assignments of the only message, for one that does not stay */
  arguments(socket: string, assignments: readonly string[]): readonly string[];
}

const perl = `use Socket;$|=1;$SIG{$_}="IGNORE" for qw(TERM INT HUP QUIT ALRM USR1 USR2);my $a=shift;$0="moneta: notifier $a";$a=~s/^\\@/\\0/;
socket(my $s,PF_UNIX,SOCK_DGRAM,0)||die "$!\\n";my $to=pack_sockaddr_un($a);
while(defined(my $l=<STDIN>)){chomp $l;$l=~tr/\\t/\\n/;print defined(send($s,$l,0,$to))?"ok\\n":"$!\\n"}`;

const python = `import signal,socket,sys
for n in "TERM INT HUP QUIT ALRM USR1 USR2".split(): signal.signal(getattr(signal,"SIG"+n),signal.SIG_IGN)
a=sys.argv[1]
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)
for l in iter(sys.stdin.buffer.readline,b""):
  try:
    s.sendto(l.rstrip(b"\\n").replace(b"\\t",b"\\n"),"\\0"+a[1:] if a[0]=="@" else a)
    print("ok",flush=True)
  except OSError as e: print(e.strerror,flush=True)`;

/** In the order in which they are tried. */
export const senderPrograms: readonly SenderProgram[] = [
  { command: "perl", stays: true, arguments: (socket) => ["-e", perl, socket] },
  { command: "python3", stays: true, arguments: (socket) => ["-I", "-c", python, socket] },
  { command: "systemd-notify", stays: false, arguments: (_socket, assignments) => assignments },
];

/**
 * A cable between two network namespaces, over which real packets go and are lost: what no proxy can do, which only
 * sees streams. One end leads to a Unix socket, the other one belongs to a process in a namespace of its own. Root's
 * business; the kernel needs veth, HTB and classic BPF, but no netem.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { startProcess } from "./processes.ts";
import { waitFor } from "./wait-for.ts";

export interface PacketLink {
  readonly host: string;
  readonly port: number;
  /** Puts the near end into the namespace of a process, which must not be this one's. */
  plugInto(pid: number): void;
  /** From now on this share of the packets is lost, in both directions and at random; 1: all, as behind a firewall that drops. */
  lose(share: number): void;
  /** Packets lost so far. */
  lost(): number;
  /** Takes the cable away with its far end. */
  close(): Promise<void>;
}

/** Words to start a program with, so that it has a network of its own: without any way out until a link is plugged in. */
export const withoutNetwork: readonly string[] = ["unshare", "-Urn", "unshare", "-U", "--map-user=1000", "--map-group=1000"];

const within = (pid: number, command: string): string => execFileSync("nsenter", ["--net", "-t", String(pid), "sh", "-ec", command], { encoding: "utf8" });
const relay = join(import.meta.dirname, "../fixtures/relay.mjs");
const [farAddress, nearAddress] = ["10.77.0.1", "10.77.0.2"];

/** Everything goes by the first class. The second one sends a bit a second and holds one packet: what comes there is lost. */
const queues = (device: string): string =>
  `tc qdisc add dev ${device} root handle 1: htb default 1
   tc class add dev ${device} parent 1: classid 1:1 htb rate 10gbit quantum 60000
   tc class add dev ${device} parent 1: classid 1:2 htb rate 8bit quantum 1500
   tc qdisc add dev ${device} parent 1:2 handle 2: pfifo limit 1`;

/** ldw random; jgt share * 2^32: stay; else: to the second class. 4294963256 is where BPF has its random number. */
const losing = (device: string, share: number): string =>
  `tc filter add dev ${device} parent 1: protocol ip prio 1 bpf bytecode '4,32 0 0 4294963256,37 1 0 ${Math.floor(share * 0xffff_ffff)},6 0 0 4294967295,6 0 0 0' flowid 1:2`;

/** The far end leads to the Unix socket `path`. */
export async function createPacketLink(path: string): Promise<PacketLink> {
  const port = 5432;
  const far = await startProcess("unshare", ["-n", process.execPath, relay, String(port), path]);
  await waitFor("the far end listens", () => far.stdout().includes("listening"), { seen: () => far.stderr() });
  within(far.pid, `ip link add far type veth peer name near; ip addr add ${farAddress}/24 dev far; ip link set far gso_max_segs 1; ip link set far up; ${queues("far")}`);
  let near: number | undefined;
  const ends = (): [number, string][] => [[far.pid, "far"], ...(near === undefined ? [] : [[near, "near"] as [number, string]])];
  return {
    host: farAddress,
    port,
    plugInto(pid) {
      near = pid;
      within(far.pid, `ip link set near netns ${pid}`);
      within(pid, `ip link set lo up; ip addr add ${nearAddress}/24 dev near; ip link set near gso_max_segs 1; ip link set near up; ${queues("near")}`);
    },
    lose(share) {
      for (const [pid, device] of ends()) {
        within(pid, `tc filter del dev ${device} parent 1: prio 1 2>/dev/null || true`);
        if (share > 0) within(pid, losing(device, share));
      }
    },
    lost: () =>
      ends().reduce((sum, [pid, device]) => sum + Number(/qdisc pfifo 2:[^]*?dropped (\d+)/.exec(within(pid, `tc -s qdisc show dev ${device}`))?.[1] ?? 0), 0),
    async close() {
      far.kill("SIGKILL");
      await far.finished;
    },
  };
}

/** What `requires` must be told: nothing where such a link can be made. */
export function needsForPacketLink(): readonly string[] {
  const command = `ip link add far type veth peer name near; ${queues("far")}; ${losing("far", 0.5)}`;
  const { status } = spawnSync("unshare", ["-n", "sh", "-ec", command], { stdio: "ignore" });
  return status === 0 ? [] : ["network namespaces with veth, HTB and BPF"];
}

import { spawnSync } from "node:child_process";
import { asUnprivileged } from "./unprivileged-user.ts";

/**
 * Names of machines for one program alone: in namespaces of its own two files of the test lie over /etc/hosts and
 * /etc/nsswitch.conf. The second namespace turns the user of the first, who is root there, into an ordinary one again.
 */
const script =
  'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec unshare -U --map-user=1000 --map-group=1000 "$@"';

/** What nsswitch.conf has to say, so that no name server is asked (nsswitch.conf(5)). */
export const namesFromFiles = "passwd: files\ngroup: files\nhosts: files\n";

/** Words to start a program with, so that it knows the names of `hosts` and no others; `nsswitch` has `namesFromFiles`. */
export function onlyHostsOf(hosts: string, nsswitch: string): readonly string[] {
  return ["unshare", "-Urm", "sh", "-c", script, "sh", hosts, nsswitch];
}

/** What `requires` must be told: nothing where the kernel lets ordinary users mount in namespaces of their own. */
export function needsForOwnHosts(): readonly string[] {
  const [command = "", ...args] = onlyHostsOf("/dev/null", "/dev/null");
  const { status } = spawnSync(command, [...args, "true"], { stdio: "ignore", cwd: "/", ...asUnprivileged() });
  return status === 0 ? [] : ["user namespaces"];
}

/** Messages to a service manager: assignments, one a line, all of them in one datagram (sd_notify(3)). */

/** The assignments that we use. */
export type ServiceMessage = Readonly<
  Partial<
    Record<
      "READY" | "RELOADING" | "STOPPING" | "WATCHDOG" | "STATUS" | "MAINPID" | "MONOTONIC_USEC" | "EXTEND_TIMEOUT_USEC",
      string | number
    >
  >
>;

/** Characters of a text; systemd reads no more than 4096 bytes of a datagram. */
const longestText = 800;

/** A text that stays in its assignment, whatever somebody has put into it. */
function oneLine(text: string): string {
  const clean = text.replace(/[\s\0-\x1f\x7f-\x9f]+/g, " ").trim();
  return clean.length > longestText ? `${clean.slice(0, longestText)}…` : clean;
}

/** The assignments of a message, each on a line without its end. */
export function encodeMessage(message: ServiceMessage): readonly string[] {
  return Object.entries(message).map(([name, value]) => `${name}=${typeof value === "string" ? oneLine(value) : value}`);
}

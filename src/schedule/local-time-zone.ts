/** The time zone of this machine, for schedules that do not name one. */
import { readlinkSync } from "node:fs";

/** What links of /etc/localtime and the variable TZ call coordinated universal time (the backward links of tzdata). */
const universal = new Set(["UTC", "UCT", "Universal", "Zulu", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu"]);

/**
 * IANA's name of the zone of this machine; UTC where it cannot be known. Servers mostly run in UTC, and this is asked
 * whenever a configuration is read: what `Intl` would have to load to say the same takes longer than all the rest of it.
 *
 * @param link the system's choice, a symbolic link into the zone files (tzset(3)); TZ comes before it
 */
export function localTimeZone(environment: NodeJS.ProcessEnv = process.env, link = "/etc/localtime"): string {
  const { TZ } = environment;
  if (TZ === undefined ? isUniversalLink(link) : TZ === "" || universal.has(TZ.replace(/^:/, ""))) return "UTC";
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  // What Intl says of a name that it cannot find, and does not take itself.
  return zone === "Etc/Unknown" ? "UTC" : zone;
}

function isUniversalLink(link: string): boolean {
  try {
    const [, name] = /(?:^|\/)zoneinfo\/(.+)$/.exec(readlinkSync(link)) ?? [];
    return name !== undefined && universal.has(name);
  } catch {
    // No link, or a copy of the zone file: Intl finds out which.
    return false;
  }
}

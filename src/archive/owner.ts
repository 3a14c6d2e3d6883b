/** Who the members of an archive belong to. */
import { userInfo } from "node:os";
import type { TarOwner } from "../tar/index.ts";

/** The account that makes the archive: whoever unpacks it as root gives the files to the account of that name there. */
export function ownAccount(): TarOwner {
  try {
    const { uid, gid, username } = userInfo();
    return { uid, gid, user: username, group: "" };
  } catch {
    // An account without a name in the system: then whoever unpacks owns the files.
    return { uid: 0, gid: 0, user: "", group: "" };
  }
}

/** Who asks: an admin who logged in from somewhere, or whoever may open the management socket of this machine. */
import type { Role } from "../auth/index.ts";
import type { PeerCredentials } from "../common/index.ts";

export type Principal =
  | {
      readonly kind: "remote";
      readonly user: string;
      readonly role: Role;
      /** Where from, as the log shows it. */
      readonly address: string;
    }
  | {
      readonly kind: "local";
      /** The account at the other end; undefined where the system does not tell. Asked for only when it is wanted. */
      readonly credentials: () => Promise<PeerCredentials | undefined>;
    };

/** The rights of whoever asks: the socket of this machine is for those who may do everything, as in pgmoneta. */
export const roleOf = (principal: Principal): Role => (principal.kind === "remote" ? principal.role : "admin");

/** `alice (operator) from 10.0.0.7:50412`, `uid 1001 (pid 4711) of this machine`. */
export async function describePrincipal(principal: Principal): Promise<string> {
  if (principal.kind === "remote") return `${principal.user} (${principal.role}) from ${principal.address}`;
  const found = await principal.credentials();
  return found === undefined ? "somebody of this machine" : `uid ${found.uid} (pid ${found.pid}) of this machine`;
}

/** Step 1: what the server is like, and whether it will do. */
import { roomAt } from "../../common/index.ts";
import { adminErrors } from "../errors.ts";
import { hasSection, valueOf } from "./configuration-text.ts";
import { judgeServer, type Finding } from "./findings.ts";
import type { InitContext } from "./context.ts";
import type { ServerLook } from "./server-look.ts";

/** What is to be said of a server. */
export async function lookAround({ local, wanted }: InitContext, look: ServerLook): Promise<Finding[]> {
  const { free } = await roomAt(wanted.repository);
  const known = hasSection(local.document, wanted.server) && valueOf(local.document, wanted.server, "wal_slot") === wanted.slot;
  const { host, role, slot } = wanted;
  const identity: Finding[] = look.systemIdentifier === undefined ? [] : [{ level: "ok", text: `system identifier ${look.systemIdentifier}` }];
  const [version, ...others] = judgeServer(look, { host, role, slot, freeBytes: free, known });
  return version === undefined ? identity : [version, ...identity, ...others];
}

/** Says them, what has to be done last. Throws `ADMIN_SERVER_UNFIT` when something stands in the way. */
export function sayFindings({ speech, wanted }: InitContext, findings: readonly Finding[]): void {
  const inTheWay = findings.filter(({ level }) => level === "stop");
  for (const finding of findings.filter(({ level }) => level !== "stop")) sayFinding(finding);
  for (const finding of inTheWay) sayFinding(finding);
  if (inTheWay.length === 0) return;
  throw adminErrors.serverUnfit(`the server ${wanted.host} is not ready for Moneta: ${inTheWay.map(({ text }) => text).join("; ")}`, { server: wanted.server });

  function sayFinding({ level, text, remedy }: Finding): void {
    speech.mark(level, text);
    if (remedy !== undefined) speech.copy(remedy);
  }
}

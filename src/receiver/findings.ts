/** What the receiver learns of its server on the way and what does not hold it up, in words for operators. */
import type { Finding } from "../ipc/index.ts";
import { formatLsn } from "../postgres/index.ts";
import type { ReceiverEvent } from "../wal/index.ts";
import { receiverErrors } from "./errors.ts";

type Lack = Extract<ReceiverEvent, { type: "lacks" }>["lacks"][number];
type Branch = Extract<ReceiverEvent, { type: "dead-branch" }>;

/** That a role with few rights does not see the server's file names costs nothing until a restore, which says so itself. */
const worthTelling = ({ code }: Lack): boolean => code !== "FILE_LOCATIONS";

function ofLack({ code, severity, message, statement }: Lack): Finding {
  const hint =
    code === "SLOT_WAL"
      ? "It grows less only by being received: see what else is wrong here. Was Moneta just started after a while? Then it catches up, and this is over."
      : severity === "error"
      ? "WAL is received all the same, but a backup is refused or has a gap before it until this is put right."
      : "WAL is received and backups can be taken; this does not work as well as it could.";
  return { code, message, hint, ...(statement === undefined ? {} : { statement }) };
}

function ofBranch({ timeline, from, to, foreign }: Branch): Finding {
  const range = `timeline ${timeline} from ${formatLsn(from)} to ${formatLsn(to)}`;
  const { code, hint } = (foreign ? receiverErrors.branchForeign : receiverErrors.branchLeft).spec;
  const what = foreign ? "stored here, and the server does not descend from it" : "on a branch that the server left at a promotion";
  return { code, message: `WAL of ${range} is ${what}`, hint };
}

export interface FindingsKeeper {
  /** Takes in an event; true when what there is to tell has changed. */
  note(event: ReceiverEvent): boolean;
  list(): readonly Finding[];
}

export function createFindings(): FindingsKeeper {
  let lacks: readonly Finding[] = [];
  const branches = new Map<string, Finding>();
  const list = (): readonly Finding[] => [...lacks, ...branches.values()];
  return {
    list,
    note(event) {
      const before = JSON.stringify(list());
      if (event.type === "lacks") lacks = event.lacks.filter(worthTelling).map(ofLack);
      // What is left of a timeline may turn out to be longer; it is one branch all the same.
      if (event.type === "dead-branch") branches.set(`${event.timeline} ${formatLsn(event.from)}`, ofBranch(event));
      return JSON.stringify(list()) !== before;
    },
  };
}

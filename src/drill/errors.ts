/** Why a drill proves nothing, or the contrary. */
import { defineErrors } from "../common/index.ts";

export const drillErrors = defineErrors({
  failed: {
    code: "DRILL_FAILED",
    exit: 100,
    retryable: false,
    hint: "This backup did not come back as a server that can be trusted: see the report, use another backup, take a new one, and look at the source if an index or a table is damaged there.",
  },
  programsMissing: {
    code: "DRILL_PROGRAMS_MISSING",
    exit: 101,
    retryable: false,
    hint: "A drill starts a PostgreSQL server of the same major version: install it on this machine (on Debian and Ubuntu the package postgresql-<major>), or name its directory with postgres_path.",
  },
  workspaceRefused: {
    code: "DRILL_WORKSPACE_REFUSED",
    exit: 102,
    retryable: false,
    hint: "Scratch space must be a directory of the account that runs the daemon, closed to everybody else, with a short path: set workspace.",
  },
  noSpace: {
    code: "DRILL_NO_SPACE",
    exit: 30,
    retryable: true,
    hint: "Free space in the workspace, or set workspace to a directory on a larger file system.",
  },
  position: {
    code: "DRILL_POSITION_REFUSED",
    exit: 103,
    retryable: false,
    hint: "A drill opens a primary at the target: leave replica and action out of the position.",
  },
  sqlFile: {
    code: "DRILL_SQL_UNREADABLE",
    exit: 104,
    retryable: false,
    hint: "Make the file of drill_sql readable for the account that runs the daemon, or correct the key.",
  },
});

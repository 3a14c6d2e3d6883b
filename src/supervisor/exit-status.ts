/** With what status the daemon ends when it does not start. */
import { toMonetaError } from "../common/index.ts";
import { configErrors } from "../config/index.ts";
import { supervisorErrors } from "./errors.ts";

/**
 * EX_CONFIG of sysexits(3), which systemd knows too: command line, account or configuration are wrong, and the next attempt would
 * end in the same way. A service manager can be told not to make it (`RestartPreventExitStatus=78`).
 */
export const wrongCommandLine = 78;

const hopeless = [configErrors.invalid, configErrors.unreadable, configErrors.notFound, supervisorErrors.root];

export function exitStatusOf(error: unknown): number {
  return hopeless.some((entry) => entry.is(error)) ? wrongCommandLine : toMonetaError(error).exit;
}

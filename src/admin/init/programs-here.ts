/** The programs of PostgreSQL on this machine: without those of the server's major there is no drill, and nothing to start a restore with. */
import { dirname, join } from "node:path";
import { environmentForOperators, isExecutable } from "../../common/index.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const pathOf = (environment: Environment): Readonly<Record<string, string>> => environmentForOperators(environment);

/** `pg_ctl` of this major; undefined where it is not installed. */
export async function pgCtlOf(major: number, environment: Environment, signal: AbortSignal): Promise<string | undefined> {
  const { findPrograms } = await import("../../drill/index.ts");
  try {
    const { postgres } = await findPrograms({ major, configured: new Map(), environment: pathOf(environment), signal });
    const path = join(dirname(postgres), "pg_ctl");
    return (await isExecutable(path)) ? path : undefined;
  } catch (error) {
    if (signal.aborted) throw error;
    // It is not here: the report names the usual place.
    return undefined;
  }
}

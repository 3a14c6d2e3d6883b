/** The connection of the one who sets it up: where its password comes from, and what the server says to it. The password is kept nowhere. */
import { readPassFile, replicationErrors, type ConnectOptions } from "../../replication/index.ts";
import { registerSecret } from "../../log/index.ts";
import { adminErrors } from "../errors.ts";
import type { InitRequest, InitSurroundings, Wanted } from "./request.ts";
import { connectOptions, lookAtServer, type ServerLook } from "./server-look.ts";
import type { Speech } from "./speech.ts";

/** How often a password may be typed. */
const attempts = 3;

export interface Administrator {
  readonly look: ServerLook;
  /** For further connections of this run. */
  readonly options: ConnectOptions;
}

/**
 * Connects as `user` and looks at the server. The password is that of -P, PGMONETA_PASSWORD, PGPASSWORD or a pass file; else it is
 * asked for, if the server wants one. Throws what `connect` throws, and `ADMIN_NO_INPUT` where nobody can be asked.
 */
export async function lookAsAdministrator(
  request: InitRequest,
  surroundings: InitSurroundings,
  wanted: Wanted,
  user: string,
  speech: Speech,
): Promise<Administrator> {
  const { prompt, signal } = surroundings;
  const { path, password: known } = await knownPassword(request, surroundings, wanted, user);
  let password = known;
  for (let asked = 0; ; asked += 1) {
    const current = password;
    const options = connectOptions(wanted, user, () => Promise.resolve(current));
    try {
      return { look: await lookAtServer(options, wanted, signal), options };
    } catch (error) {
      const missing = replicationErrors.passwordMissing.is(error);
      const wrong = replicationErrors.authenticationFailed.is(error);
      if (missing && request.yes) {
        const message = `the server wants a password for ${user}, and there is none in PGMONETA_PASSWORD, PGPASSWORD or ${path}`;
        throw adminErrors.noInput(message, { path }, error);
      }
      if (request.yes || !(missing || wrong) || asked >= attempts || (wrong && !isPasswordAsked(known, asked))) throw error;
      if (wrong) speech.mark("note", error.message);
    }
    password = await prompt.askSecret(`  Password of ${user} (used now, stored nowhere): `);
    registerSecret(password);
  }
}

/** A refusal may only be asked about again where a person typed the password: else the line of pg_hba.conf may be meant. */
const isPasswordAsked = (known: string | undefined, asked: number): boolean => known === undefined && asked > 0;

async function knownPassword(
  { password, passwordFile }: InitRequest,
  { environment, homeDirectory }: InitSurroundings,
  { host, port, database }: Wanted,
  user: string,
): Promise<{ readonly path: string; readonly password: string | undefined }> {
  const path = passwordFile ?? (environment["PGPASSFILE"] || `${homeDirectory}/.pgpass`);
  const told = password ?? (environment["PGMONETA_PASSWORD"] || environment["PGPASSWORD"] || undefined);
  const found = told ?? (await readPassFile(path, host, port, database, user));
  if (found !== undefined) registerSecret(found);
  return { path, password: found };
}

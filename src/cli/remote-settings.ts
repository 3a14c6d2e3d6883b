/** Remote management: where, who, and how the connection is kept private. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { TlsMode, TlsSettings } from "../auth/index.ts";
import { isLoopback } from "../common/index.ts";
import type { LoadedClientConfiguration } from "../config/index.ts";
import type { RemoteAddress } from "../management/index.ts";
import { cliErrors } from "./errors.ts";
import type { GlobalOptions } from "./invocation.ts";
import type { Terminal } from "./terminal.ts";

/** Host and port; undefined when the daemon of this machine is meant. */
interface Place {
  readonly host: string;
  readonly port: number;
}

function portNamed(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65535) return port;
  throw cliErrors.usage(`--port must be a port from 1 to 65535, not "${text}"`);
}

/** As in pgmoneta the command line wins over the file, and only both together are an address. */
function placeOf(options: GlobalOptions, client: LoadedClientConfiguration): Place | undefined {
  const host = options.host ?? client.options.host;
  const port = options.port === undefined ? client.options.port : portNamed(options.port);
  if (host !== undefined && host !== "" && port !== 0) return { host, port };
  if (options.host === undefined && options.port === undefined) return undefined;
  throw cliErrors.usage(host === undefined ? "--port is there, but --host is missing" : "--host is there, but --port is missing");
}

const modes = ["disable", "prefer", "require", "verify-full"] as const satisfies readonly TlsMode[];

function modeNamed(text: string): TlsMode {
  const mode = modes.find((word) => word === text);
  if (mode === undefined) throw cliErrors.usage(`--tls-mode must be one of ${modes.join(", ")}, not "${text}"`);
  return mode;
}

/** The files that pgmoneta's client looks for by itself. */
function ownFiles(home: string): Pick<TlsSettings, "caFile" | "certFile" | "keyFile"> {
  const at = (name: string): string => join(home, ".pgmoneta", name);
  const pair = existsSync(at("pgmoneta.key")) && existsSync(at("pgmoneta.crt"));
  return {
    ...(existsSync(at("root.crt")) ? { caFile: at("root.crt") } : {}),
    ...(pair ? { certFile: at("pgmoneta.crt"), keyFile: at("pgmoneta.key") } : {}),
  };
}

/**
 * How TLS is used: in doubt it is required, but for a daemon on this machine. A certificate authority, named or lying in
 * `~/.pgmoneta/root.crt`, has the daemon's certificate and name checked.
 */
export function chooseTls(options: GlobalOptions, client: LoadedClientConfiguration, home: string, host: string): TlsSettings {
  const { tlsMode, tlsCaFile, tlsCertFile, tlsCrlFile, tlsKeyFile } = client.options;
  const named = options.tlsMode === undefined ? tlsMode : modeNamed(options.tlsMode);
  const mode = named ?? (isLoopback(host) ? "prefer" : "require");
  // Whoever names an authority does not mean clear text; only the command line may overrule the file.
  const contradicted = options.tlsCa ?? (options.tlsMode === undefined ? tlsCaFile : undefined);
  if (mode === "disable" && contradicted !== undefined) {
    throw cliErrors.usage(`clear text (TLS mode disable) is asked for, and a certificate authority is named: "${contradicted}"`);
  }
  if (mode === "disable") return { mode };
  const own = ownFiles(home);
  const caFile = options.tlsCa ?? tlsCaFile ?? own.caFile;
  const pair =
    options.tlsCert === undefined && options.tlsKey === undefined
      ? tlsCertFile === undefined && tlsKeyFile === undefined
        ? own
        : { certFile: tlsCertFile, keyFile: tlsKeyFile }
      : { certFile: options.tlsCert, keyFile: options.tlsKey };
  return {
    mode,
    ...(caFile === undefined ? {} : { caFile }),
    ...(tlsCrlFile === undefined ? {} : { crlFile: tlsCrlFile }),
    ...(pair.certFile === undefined ? {} : { certFile: pair.certFile }),
    ...(pair.keyFile === undefined ? {} : { keyFile: pair.keyFile }),
  };
}

/** -P, the environment, a pass file, the question: in this order. */
async function findPassword(options: GlobalOptions, client: LoadedClientConfiguration, terminal: Terminal, place: Place, user: string): Promise<string> {
  const given = options.password ?? terminal.environment.PGMONETA_PASSWORD ?? "";
  if (given !== "") return given;
  const named = options.passwordFile ?? client.options.passwordFile;
  const { readPassFile } = await import("../replication/index.ts");
  const found = await readPassFile(named ?? join(terminal.homeDirectory, ".pgpass"), place.host, place.port, "admin", user);
  if (found !== undefined) return found;
  if (named !== undefined) {
    throw cliErrors.passwordMissing(`${named} has no line for ${place.host}:${place.port}:admin:${user}, or is not there`, { path: named });
  }
  const answer = await terminal.askSecret(`Password of ${user}: `);
  if (answer === "") throw cliErrors.passwordMissing("no password was given");
  return answer;
}

/** The daemon that options and configuration name; undefined for the one of this machine. Asks for what is missing. */
export async function resolveRemote(
  options: GlobalOptions,
  client: LoadedClientConfiguration,
  terminal: Terminal,
): Promise<RemoteAddress | undefined> {
  const place = placeOf(options, client);
  if (place === undefined) return undefined;
  // Before anybody types a password in vain.
  const tls = chooseTls(options, client, terminal.homeDirectory, place.host);
  const user = options.user ?? client.options.user ?? (await terminal.ask("User name: ")).trim();
  if (user === "") throw cliErrors.usage("the user name is missing: name it with --user");
  return { ...place, user, password: await findPassword(options, client, terminal, place, user), tls };
}

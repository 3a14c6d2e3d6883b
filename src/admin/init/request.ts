/** What `moneta-admin init` is told, and what it works out of that before it touches anything. */
import type { TlsMode, TlsSettings } from "../../auth/index.ts";
import type { Clock, Prompt } from "../../common/index.ts";

/** The options as they were given; what is undefined is asked for, or has a default where nobody is asked. */
export interface InitRequest {
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  /** The role that may create roles. */
  readonly user?: string | undefined;
  readonly database?: string | undefined;
  readonly serverName?: string | undefined;
  readonly replicationRole?: string | undefined;
  readonly slot?: string | undefined;
  readonly repository?: string | undefined;
  readonly schedule?: string | undefined;
  readonly retention?: string | undefined;
  /** Pass file with the password of `user`. */
  readonly passwordFile?: string | undefined;
  /** File with the password of a replication role that exists already. */
  readonly rolePasswordFile?: string | undefined;
  readonly tlsMode?: TlsMode | undefined;
  readonly tlsCa?: string | undefined;
  /** `-D`. */
  readonly directory?: string | undefined;
  /** `-P`. */
  readonly password?: string | undefined;
  /** `-m`. */
  readonly masterKey?: string | undefined;
  /** False for `--no-administrator`: statements are printed for somebody else to run. */
  readonly administrator: boolean;
  readonly yes: boolean;
  /** A new password for a role that exists. */
  readonly resetPassword: boolean;
  readonly start: boolean;
  readonly backup: boolean;
  /** `moneta -d`, whatever units there are. */
  readonly background: boolean;
}

/** The way to the PostgreSQL server. */
export interface ServerAddress {
  /** A name, an address, or the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  /** Where SQL is run. */
  readonly database: string;
  readonly tls: TlsSettings;
}

/** Everything that is decided before anything is done. */
export interface Wanted extends ServerAddress {
  /** Name of the section, and of the server in every command. */
  readonly server: string;
  /** Who runs the statements; undefined: somebody else does. */
  readonly administrator: string | undefined;
  /** The role that Moneta connects as. */
  readonly role: string;
  readonly slot: string;
  /** `base_dir`. */
  readonly repository: string;
  /** `master_key_file` of a configuration that is new; undefined: the daemon looks at the usual place anyway. */
  readonly masterKey?: string | undefined;
  /** `unix_socket_dir`. */
  readonly socketDirectory: string;
  readonly logFile: string;
  /** Scratch space of drills, in a configuration that is new. */
  readonly workspace: string;
  /** Cron expression of the backups; undefined: not said, and the configuration that is there counts. */
  readonly schedule: string | undefined;
  readonly retention: string | undefined;
}

/** What the process gives to the procedure. */
export interface InitSurroundings {
  readonly prompt: Prompt;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly homeDirectory: string;
  /** Name of the account, for messages. */
  readonly account: string;
  readonly clock: Clock;
  /** One piece of what people read while it goes on, without its line end. */
  readonly write: (line: string) => void;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
  /** While a program of ours asks at the terminal itself, Ctrl-C is its matter. */
  readonly leaveInterruptionsTo: <T>(work: () => Promise<T>) => Promise<T>;
  /** Directory of the launchers `moneta` and `moneta-cli`. */
  readonly programs: string;
  /** Directories in which units of systemd lie. */
  readonly unitDirectories: readonly string[];
  /** True when somebody sits at the terminal. */
  readonly interactive: boolean;
}

/**
 * How to reach the daemon and how to speak. Precedence: option, then pgmoneta_cli.conf, then the default. As in
 * pgmoneta the defaults are zstd and AES-256-GCM when no client configuration was found, and none and none when one
 * was. A default that cannot be had here (no master key, no zstd library) falls back to none: the socket belongs to
 * this machine, and remote management has TLS. What was asked for by name never falls back.
 */
import { join } from "node:path";
import { toMonetaError } from "../common/index.ts";
import { configErrors, loadCliConfiguration, loadConfiguration, socketDirectoryIn } from "../config/index.ts";
import type { FileLocations, LoadedClientConfiguration } from "../config/index.ts";
import type { MasterKey } from "../encryption/index.ts";
import { managementSocketName } from "../management/index.ts";
import type { FrameCompression, FrameEncryption, ManagementAddress, OutputFormat } from "../management/index.ts";
import { cliErrors } from "./errors.ts";
import { compressionNamed, encryptionNamed, formatNamed } from "./invocation.ts";
import type { GlobalOptions } from "./invocation.ts";
import type { Terminal } from "./terminal.ts";

export interface ClientSettings {
  readonly address: ManagementAddress;
  readonly compression: FrameCompression;
  readonly encryption: FrameEncryption;
  readonly masterKey: MasterKey | undefined;
  /** True when the encryption is a default, so that a daemon without a master key can be asked again in clear. */
  readonly encryptionByDefault: boolean;
}

/** Reads the client's configuration file. */
export function loadClient(options: GlobalOptions, terminal: Terminal): LoadedClientConfiguration {
  return loadCliConfiguration({
    main: options.config,
    directory: options.directory,
    environment: terminal.environment,
    ...(terminal.defaultDirectory === undefined ? {} : { defaultDirectory: terminal.defaultDirectory }),
  });
}

/** `-F`, else `output` of the configuration. */
export function chooseFormat(options: GlobalOptions, client: LoadedClientConfiguration): OutputFormat {
  return formatNamed(options.format ?? client.options.output);
}

/** Our own pgmoneta.conf knows the directory too, where somebody works on the machine of the daemon. */
async function socketDirectory(
  options: GlobalOptions,
  client: LoadedClientConfiguration,
  terminal: Terminal,
): Promise<string> {
  if (client.options.unixSocketDir !== undefined) return client.options.unixSocketDir;
  const locations: FileLocations = {
    directory: options.directory,
    environment: terminal.environment,
    ...(terminal.defaultDirectory === undefined ? {} : { defaultDirectory: terminal.defaultDirectory }),
  };
  try {
    const { configuration } = await loadConfiguration({ ...locations, purpose: "offline" });
    return configuration.main.unixSocketDir;
  } catch (error) {
    // The daemon that runs read it when it was right; what is wrong with it now is for the daemon to say and to log.
    const known = configErrors.invalid.is(error) ? await socketDirectoryIn(locations) : undefined;
    if (known !== undefined) return known;
    const where =
      client.file === undefined ? "there is no pgmoneta_cli.conf" : `${client.file} does not set unix_socket_dir`;
    throw cliErrors.socketUnknown(
      `cannot tell where the daemon listens: ${where}, and pgmoneta.conf does not help: ${toMonetaError(error).message}`,
      {},
      error,
    );
  }
}

async function chooseCompression(options: GlobalOptions, client: LoadedClientConfiguration): Promise<FrameCompression> {
  if (options.compress !== undefined) return compressionNamed(options.compress);
  if (client.file !== undefined) return compressionNamed(client.options.compression);
  try {
    const { compressMessage } = await import("../compression/index.ts");
    await compressMessage(2, Buffer.from("{}"));
    return "zstd";
  } catch {
    // Only the default: where the library is not installed, a small request over a local socket needs none.
    return "none";
  }
}

async function chooseEncryption(
  options: GlobalOptions,
  client: LoadedClientConfiguration,
  keyPath: string,
  overTls: boolean,
): Promise<{ readonly encryption: FrameEncryption; readonly byDefault: boolean }> {
  if (options.encrypt !== undefined) return { encryption: encryptionNamed(options.encrypt), byDefault: false };
  if (client.file !== undefined) return { encryption: encryptionNamed(client.options.encryption), byDefault: false };
  // What TLS keeps private needs no key that both sides share; another machine has another master key, if any.
  if (overTls) return { encryption: "none", byDefault: true };
  const { masterKeyExists } = await import("../vault/index.ts");
  return { encryption: (await masterKeyExists(keyPath)) ? "aes-256-gcm" : "none", byDefault: true };
}

/** Throws what is wrong with options, configuration or master key. Asks for name and password where they are missing. */
export async function resolveSettings(
  options: GlobalOptions,
  client: LoadedClientConfiguration,
  terminal: Terminal,
): Promise<ClientSettings> {
  const { resolveRemote } = await import("./remote-settings.ts");
  const remote = await resolveRemote(options, client, terminal);
  const keyPath = join(terminal.homeDirectory, ".pgmoneta", "master.key");
  const compression = await chooseCompression(options, client);
  const { encryption, byDefault } = await chooseEncryption(options, client, keyPath, remote !== undefined && remote.tls.mode !== "disable");
  const address: ManagementAddress =
    remote === undefined ? { socketPath: join(await socketDirectory(options, client, terminal), managementSocketName) } : { remote };
  const masterKey =
    encryption === "none" ? undefined : await (await import("../vault/index.ts")).readMasterKey(keyPath);
  return {
    address,
    compression,
    encryption,
    masterKey,
    encryptionByDefault: byDefault,
  };
}

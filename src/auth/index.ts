export * from "./errors.ts";
export { preparePassword } from "./password-preparation.ts";
export { createScramClient, type ChannelBinding, type ScramClient, type ScramClientOptions } from "./scram-client.ts";
export { createScramServer, stableSalt, type ScramServer, type ScramServerOptions } from "./scram-server.ts";
export { createScramSecret, formatScramSecret, parseScramSecret, type ScramSecret } from "./scram-keys.ts";
export { tlsServerEndPoint } from "./channel-binding.ts";
export { effectiveTlsMode, loadTlsOptions, type TlsMode, type TlsSettings } from "./tls-settings.ts";
export { loadTlsServer, type TlsServerMaterial, type TlsServerSettings } from "./tls-server.ts";
export { roleAllows, roleNamed, roles, type Role } from "./role.ts";

/** From the configuration to the listener of remote management. */
import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "../common/index.ts";
import type { Configuration } from "../config/index.ts";
import type { Logger } from "../log/index.ts";
import { createRemoteManagement, type ManagementHandler, type RemoteManagement, type RemoteSettings } from "../management/index.ts";
import type { LiveMasterKey } from "./live-master-key.ts";
import type { ReloadPart } from "./reload-part.ts";
import { managementLimits } from "./settings.ts";

/** What the listener is to do; undefined where it is off. */
export function remoteSettings({ admins, main }: Configuration): RemoteSettings | undefined {
  if (main.management === 0) return undefined;
  const { requestTimeoutMs, answerTimeoutMs } = managementLimits(main);
  const { tlsCaFile: caFile, tlsCertFile: certFile, tlsCrlFile: crlFile, tlsKeyFile: keyFile } = main;
  return {
    host: main.host,
    port: main.management,
    tls: main.tls && certFile !== undefined && keyFile !== undefined ? { certFile, keyFile, caFile, crlFile } : undefined,
    tlsRequired: main.tlsRequired,
    admins,
    loginTimeoutMs: requestTimeoutMs,
    answerTimeoutMs,
    keepAlive: main.keepAlive,
    noDelay: main.nodelay,
  };
}

/** A reload moves the listener, reads the TLS files and the admins anew, and leaves connections that are open alone. */
export function remoteManagementPart(remote: RemoteManagement): ReloadPart {
  return { name: "remote management", prepare: ({ after }) => remote.prepare(remoteSettings(after.configuration)) };
}

export interface RemoteManagementParts {
  readonly handle: ManagementHandler;
  readonly masterKey: LiveMasterKey;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Makes the listener; `update(remoteSettings(configuration))` has it listen. */
export function openRemoteManagement({ handle, masterKey, logger, clock }: RemoteManagementParts): RemoteManagement {
  // Without a master key there is nobody who could log in, and nothing to be told apart.
  const withoutKey = randomBytes(32);
  return createRemoteManagement({
    handle,
    masterKeys: () => masterKey.recent(),
    saltKey: async () => {
      const key = await masterKey.refresh();
      return key === undefined ? withoutKey : createHmac("sha256", key.material).update("moneta: salts of remote management").digest();
    },
    logger,
    clock,
  });
}

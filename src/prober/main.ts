/** The process that asks one server and the machine for the checks: takes its task by message, does it, reports, ends. */
import { systemClock } from "../common/index.ts";
import { probe } from "../check/index.ts";
import { openChildSession, toProber, type Probed, type ProbeStart, type ToProber } from "../ipc/index.ts";
import { registerSecret } from "../log/index.ts";
import { readPassFile, type ConnectOptions } from "../replication/index.ts";
import { openDataKeys, openRepositoryStorage, repositoryErrors } from "../repository/index.ts";
import { masterKeySource } from "../vault/index.ts";

const session = openChildSession<Probed, ToProber>({ host: process, check: toProber, onMessage: (message) => void run(message) });

/** A server that says nothing any more is not waited for longer. Milliseconds. */
const silenceMs = 10_000;

async function run(start: ProbeStart): Promise<void> {
  if (start.title !== undefined) process.title = start.title;
  for (const secret of Object.values(start.secrets)) registerSecret(String(secret));
  try {
    const report = await probe(
      {
        connect: connectOptions(start),
        slot: start.server.slot,
        createSlot: start.server.createSlot,
        certificates: start.certificates,
        openKey: start.repository.encryption === "none" ? undefined : () => openKey(start),
        clock: systemClock,
      },
      session.orphaned,
    );
    await session.channel.send({ type: "probed", report });
  } catch (error) {
    await session.fail(error);
    return;
  }
  await session.end(0);
}

function connectOptions({ server, secrets }: ProbeStart): ConnectOptions {
  const { host, port, user, tls, keepAlive, noDelay, passFile, connectTimeoutMs, authenticationTimeoutMs } = server.connection;
  return {
    host,
    port,
    user,
    tls,
    keepAlive,
    noDelay,
    replication: true,
    // Not the name of the receiver, which a synchronous server would take for its standby.
    applicationName: "moneta check",
    password: async () => secrets.password ?? (await readPassFile(passFile, host, port, "replication", user)),
    connectTimeoutMs: connectTimeoutMs + authenticationTimeoutMs,
    idleTimeoutMs: silenceMs,
  };
}

/** The key in use; before there is one, the master key that would wrap it. Makes none. */
async function openKey({ repository, secrets, server }: ProbeStart): Promise<void> {
  const known = secrets.masterKey === undefined ? undefined : { material: Buffer.from(secrets.masterKey, "base64") };
  const keys = openDataKeys(openRepositoryStorage(repository.baseDir, repository.id), server.name, masterKeySource(repository.masterKeyFile, known));
  const id = await keys.currentId();
  if (id !== undefined) await keys.load(id);
  else if (known === undefined) throw repositoryErrors.masterKeyMissing(`encryption is configured and there is no master key "${repository.masterKeyFile}"`);
}

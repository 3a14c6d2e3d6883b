/** Asks a server and the machine what the checks want to know. It changes nothing, and what it cannot find out is said. */
import { X509Certificate } from "node:crypto";
import { readFile, stat, statfs } from "node:fs/promises";
import { parseRevocationLists } from "../auth/index.ts";
import { commonErrors, messageOf, toMonetaError, type Clock } from "../common/index.ts";
import {
  checkPrerequisites,
  prerequisiteOfFailure,
  quoteIdentifier,
  readServerFacts,
  type ConnectOptions,
  type ServerFacts,
} from "../replication/index.ts";
import type { Alarm, CertificateFinding, ProbeReport, ServerFindings } from "./check.ts";

/** A file of the configuration with a certificate. */
export interface CertificateFile {
  readonly key: string;
  readonly path: string;
}

export interface ProbeOptions {
  readonly connect: ConnectOptions;
  readonly slot: string;
  readonly createSlot: boolean;
  readonly certificates: readonly CertificateFile[];
  /** Opens what encrypts; throws what stands against it. */
  readonly openKey: (() => Promise<unknown>) | undefined;
  readonly clock: Clock;
}

/** Never rejects but with ABORTED. */
export async function probe(options: ProbeOptions, signal?: AbortSignal): Promise<ProbeReport> {
  const [server, certificates, keyProblem] = await Promise.all([
    askServer(options, signal),
    Promise.all(options.certificates.map(lookAtCertificate)),
    keyTrouble(options),
  ]);
  return { at: options.clock.now(), ...server, certificates, keyProblem };
}

async function askServer(
  { connect, slot, createSlot }: ProbeOptions,
  signal: AbortSignal | undefined,
): Promise<Pick<ProbeReport, "failure" | "prerequisites" | "server">> {
  try {
    const facts = await readServerFacts(connect, { slot }, signal);
    return { failure: null, prerequisites: checkPrerequisites(facts, { slot, createSlot }), server: await findingsOf(facts) };
  } catch (error) {
    if (commonErrors.aborted.is(error)) throw error;
    const missing = prerequisiteOfFailure(error, connect.user, connect.host);
    return { failure: alarmOf(error), prerequisites: missing === undefined ? [] : [missing], server: null };
  }
}

function alarmOf(error: unknown): Alarm {
  const { code, message, hint } = toMonetaError(error);
  return { code, message, hint };
}

async function findingsOf(facts: ServerFacts): Promise<ServerFindings> {
  const { slot, maxSlotWalKeepSize = -1 } = facts;
  return {
    regainReplication: `ALTER ROLE ${quoteIdentifier(facts.user)} WITH REPLICATION;`,
    version: facts.serverVersion,
    versionText: facts.versionText,
    systemIdentifier: facts.systemIdentifier,
    timeline: facts.timeline,
    position: facts.xlogpos.toString(),
    encrypted: facts.encrypted,
    inRecovery: facts.inRecovery ?? null,
    checksums: facts.dataChecksums ?? null,
    fullPageWrites: facts.fullPageWrites ?? null,
    replicationRight: facts.role?.replication ?? null,
    slotRestart: slot.restartLsn?.toString() ?? null,
    slotActive: slot.active ?? null,
    slotRoom: maxSlotWalKeepSize >= 0 ? (slot.safeWalSize ?? null) : null,
    diskRoom: await diskRoom(facts),
    clockOffset: facts.clock?.offset ?? null,
    clockUncertainty: facts.clock?.uncertainty ?? 0,
    certificateEnds: facts.serverCertificate === undefined ? null : Date.parse(new X509Certificate(facts.serverCertificate).validTo),
  };
}

/**
 * Free bytes of the disk of a cluster on this machine. Its directory is closed to us as a rule, which statfs(2) does not
 * mind; a pg_wal on a disk of its own cannot be seen then.
 */
async function diskRoom({ dataDirectory, host }: ServerFacts): Promise<number | null> {
  if (dataDirectory === undefined || !host.startsWith("/")) return null;
  try {
    // A socket can lead into a container, whose directories are not ours.
    if (!(await stat(dataDirectory)).isDirectory()) return null;
    const { bsize, bavail } = await statfs(dataDirectory);
    return bsize * bavail;
  } catch {
    // It is not here, or may not be seen: unknown.
    return null;
  }
}

async function lookAtCertificate({ key, path }: CertificateFile): Promise<CertificateFinding> {
  try {
    const pem = await readFile(path, "utf8");
    return { key, path, ...(key.endsWith("crl_file") ? earliestList(pem) : { ends: earliestEnd(pem), holds: null }), problem: null };
  } catch (error) {
    return { key, path, ends: null, holds: null, problem: messageOf(error) };
  }
}

/** The last moment that a Date can name (ECMA-262, section 21.4.1.1): a list without an end. */
const endOfTime = 8.64e15;

/** The list of a file that runs out first. */
function earliestList(pem: string): Pick<CertificateFinding, "ends" | "holds"> {
  const lists = parseRevocationLists(pem).map(({ made, ends = endOfTime }) => ({ ends, holds: ends - made }));
  return lists.reduce((first, other) => (other.ends < first.ends ? other : first));
}

/** A file can hold a chain, or several authorities: the first that ends counts. */
function earliestEnd(pem: string): number {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [pem];
  return Math.min(...blocks.map((block) => Date.parse(new X509Certificate(block).validTo)));
}

async function keyTrouble({ openKey }: ProbeOptions): Promise<Alarm | null> {
  try {
    await openKey?.();
    return null;
  } catch (error) {
    return alarmOf(error);
  }
}

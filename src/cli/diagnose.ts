/**
 * `diagnose`: collects the parts of a support bundle, from a daemon or without one, and writes the file here, so that it is
 * where the operator is also when the daemon is not. What fails is named in the bundle, and the command says that it is not all.
 */
import { access, constants } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { commonErrors, messageOf, refuseExisting } from "../common/index.ts";
import type { LoadedClientConfiguration } from "../config/index.ts";
import { bundleName, createBundleRedactor, diagnoseErrors, jsonText, writeBundle, type BundlePart } from "../diagnose/index.ts";
import { bundleResponse, type ManagementResponse, type OutputFormat } from "../management/index.ts";
import { answerHere } from "./answer-here.ts";
import type { Invocation } from "./invocation.ts";
import { secretsOfClient } from "./diagnose-secrets.ts";
import type { Terminal } from "./terminal.ts";

/** What this very program is: over TCP it runs on another machine than the daemon. */
function describeClient({ options }: Invocation, terminal: Terminal): BundlePart {
  const { clock, version } = terminal;
  return {
    name: "client.json",
    about: "the moneta-cli that wrote this bundle",
    text: jsonText({ version, node: process.versions.node, platform: process.platform, time: new Date(clock.now()).toISOString(), offline: options.offline === true }),
    remark: undefined,
  };
}

/** Throws TARGET_EXISTS, or DIAGNOSE_NOT_WRITTEN for a directory that takes no file of this account. */
async function refuseUnwritable(path: string): Promise<void> {
  try {
    await refuseExisting(path);
    await access(dirname(path), constants.W_OK);
  } catch (error) {
    if (commonErrors.targetExists.is(error)) throw error;
    throw diagnoseErrors.notWritten(`the bundle "${path}" cannot be written: ${messageOf(error)}`, { path }, error);
  }
}

/** Writes the bundle. An incomplete one is an answer with a failed outcome, `DIAGNOSE_INCOMPLETE`, and is written all the same. */
export function diagnose(
  invocation: Invocation,
  format: OutputFormat,
  client: LoadedClientConfiguration,
  terminal: Terminal,
): Promise<ManagementResponse> {
  return answerHere(invocation, format, terminal, async () => {
    const made = terminal.clock.now();
    const { Output: output } = invocation.fields;
    const path = typeof output === "string" ? output : resolve(`${bundleName(made)}.tar.gz`);
    // Before a minute is spent on what cannot be written.
    await refuseUnwritable(path);
    const { parts, secrets, source } =
      invocation.options.offline === true
        ? await (await import("./diagnose-offline.ts")).collectOffline(invocation, terminal)
        : await (await import("./diagnose-daemon.ts")).collectFromDaemon(invocation, client, terminal);
    const redactor = createBundleRedactor([...secrets, ...(await secretsOfClient(invocation, client, terminal))]);
    const written = await writeBundle(path, [describeClient(invocation, terminal), ...parts], { version: terminal.version, made, source }, redactor);
    const { abandoned, missing } = written;
    if (missing.length === 0) return bundleResponse(written);
    const reasons = missing.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
    const removed = abandoned.map((one) => `; removed "${one}", which an earlier diagnose had left when it was killed`).join("");
    throw diagnoseErrors.incomplete(`the bundle "${path}" was written and lacks ${missing.length} of its parts: ${reasons}${removed}`, {
      bundle: path,
      bundleBytes: written.bytes,
      bundleFiles: written.files,
    });
  });
}

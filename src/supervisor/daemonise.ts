/**
 * `-d`: the same program again, in a session of its own (setsid) and without a terminal. The first process waits
 * until the second one answers or says why it does not, so that its exit status is the truth.
 */
import { spawn } from "node:child_process";
import { errorFromRecord, errorToRecord, messageOf, type MonetaError } from "../common/index.ts";
import { errorRecord, type Endpoint } from "../ipc/index.ts";
import { supervisorErrors } from "./errors.ts";

/** Tells the second process what it is. */
const marker = "MONETA_IN_BACKGROUND";

export function isInBackground(environment: Readonly<Record<string, string | undefined>>): boolean {
  return environment[marker] === "1";
}

/** Starts the daemon in the background. Resolves with its pid once it is ready; throws the reason why it is not. */
export function startInBackground(
  script: string,
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, script, ...args], {
      detached: true,
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      env: { ...environment, [marker]: "1" },
    });
    child.once("error", (error) =>
      reject(supervisorErrors.daemonise(`the daemon could not be started: ${messageOf(error)}`, {}, error)),
    );
    // "close" comes after the last message, "exit" may come before it.
    child.once("close", (code, signal) =>
      reject(
        supervisorErrors.daemonise(
          `the daemon ended at its start with ${signal ?? `exit status ${code ?? "unknown"}`}`,
        ),
      ),
    );
    child.once("message", (message) => {
      child.disconnect();
      child.unref();
      if (message === "ready") resolve(child.pid ?? 0);
      else reject(readError(message));
    });
  });
}

function readError(message: unknown): MonetaError {
  try {
    return errorFromRecord(errorRecord(message, "message"));
  } catch (error) {
    return supervisorErrors.daemonise("the daemon said something at its start that is no message", {}, error);
  }
}

/** Tells the first process how the start went and lets go of it; does nothing in the foreground. */
export function reportStart(host: Endpoint, error?: unknown): Promise<void> {
  return new Promise((resolve) => {
    if (host.send === undefined || !host.connected) {
      resolve();
      return;
    }
    // Should the first process be gone, the daemon runs all the same.
    host.send(error === undefined ? "ready" : errorToRecord(error), () => {
      if (host.connected) host.disconnect?.();
      resolve();
    });
  });
}

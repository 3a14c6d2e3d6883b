/** What the daemon's configuration says about the machine: directories that must be there, files that must be readable and private. */
import { accessSync, constants, statSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import type { SectionUnderCheck } from "./check-consistency.ts";
import type { ConfigProblem } from "./configuration.ts";

/** Length of `sun_path` in Linux's sockaddr_un, without the zero byte at the end (unix(7)). */
const longestSocketPath = 107;
const socketName = ".s.pgmoneta";

function look(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    // Whatever the reason is, the daemon could not use the path; the message names it.
    return undefined;
  }
}

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    // "No" is the answer that was asked for.
    return false;
  }
}

/** Why the system refuses a directory, where that is not plain: a mount that is read-only, broken or without its server. */
function because(refused: () => unknown): string {
  try {
    refused();
    return "";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EROFS") return ", which is on a file system that is mounted read-only";
    return code === undefined || code === "ENOENT" || code === "EACCES" ? "" : ` (${code})`;
  }
}

const useOfDirectory = constants.R_OK | constants.W_OK | constants.X_OK;

/** What is wrong with a directory that must be there; undefined if nothing is. */
function directoryProblem(path: string): string | undefined {
  const stats = look(path);
  if (stats === undefined) return `expected a directory that exists, found "${path}"${because(() => statSync(path))}`;
  if (!stats.isDirectory()) return `expected a directory, found "${path}", which is something else`;
  return may(path, useOfDirectory)
    ? undefined
    : `expected a directory that may be written, found "${path}"${because(() => accessSync(path, useOfDirectory))}`;
}

function fileProblem(path: string): string | undefined {
  if (look(path)?.isFile() !== true) return `expected a file that exists, found "${path}"`;
  return may(path, constants.R_OK) ? undefined : `expected a file that may be read, found "${path}"`;
}

/** A program that is to be run: there, a file, and executable by this account. */
function programProblem(path: string): string | undefined {
  if (look(path)?.isFile() !== true) return `expected a program that exists, found "${path}"`;
  return may(path, constants.X_OK) ? undefined : `expected a program that may be executed, found "${path}"`;
}

/** Programs that the section itself names: what it inherits is complained of where it stands. */
function checkPrograms(checked: SectionUnderCheck, report: (key: string, message: string | undefined) => void): void {
  for (const key of checked.compiled.entries.keys()) {
    if (!/^(?:hook_(?:before|after)_|notify_command$)/.test(key)) continue;
    const path = textOf(checked, key);
    if (path !== undefined) report(key, programProblem(path));
  }
}

/** libpq's rule for private keys: 0600 of the own account, or at most 0640 of root. */
function keyProblem(path: string, userId: number): string | undefined {
  const unusable = fileProblem(path);
  const stats = look(path);
  if (unusable !== undefined || stats === undefined) return unusable;
  if (stats.uid === userId && (stats.mode & 0o077) === 0) return undefined;
  if (stats.uid === 0 && (stats.mode & 0o037) === 0) return undefined;
  return `expected a private key with mode 0600 of the account that runs the daemon, or at most 0640 of root, found "${path}"`;
}

function textOf(checked: SectionUnderCheck, key: string): string | undefined {
  const value = checked.compiled.values.get(key);
  return typeof value === "string" ? value : undefined;
}

/** Checks the machine for the section `[pgmoneta]`. */
export function checkMainEnvironment(file: string, checked: SectionUnderCheck, userId: number): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const report = (key: string, message: string | undefined): void => {
    if (message === undefined) return;
    const line = checked.compiled.entries.get(key)?.line ?? checked.section.line;
    problems.push({ file, line, section: checked.section.name, key, message });
  };
  const sockets = textOf(checked, "unix_socket_dir");
  if (sockets !== undefined) {
    report("unix_socket_dir", directoryProblem(sockets));
    if (Buffer.byteLength(`${sockets}/${socketName}`) > longestSocketPath) {
      report(
        "unix_socket_dir",
        `expected a directory with a path of at most ${longestSocketPath - socketName.length - 1} bytes, so that the socket in it has a valid name`,
      );
    }
  }
  const base = textOf(checked, "base_dir");
  // It is created when it is missing.
  if (base !== undefined && look(base) !== undefined) report("base_dir", directoryProblem(base));
  const pidfile = textOf(checked, "pidfile");
  if (pidfile !== undefined && checked.compiled.entries.has("pidfile"))
    report("pidfile", directoryProblem(dirname(pidfile)));
  checkPrograms(checked, report);
  for (const key of ["notify_ca_file", "notify_crl_file"]) {
    const path = textOf(checked, key);
    if (path !== undefined) report(key, fileProblem(path));
  }
  if (checked.compiled.values.get("tls") === true && checked.compiled.values.get("management") !== 0) {
    for (const key of ["tls_cert_file", "tls_key_file", "tls_ca_file", "tls_crl_file"]) {
      const path = textOf(checked, key);
      if (path !== undefined) report(key, key === "tls_key_file" ? keyProblem(path, userId) : fileProblem(path));
    }
  }
  return problems;
}

/** Checks the machine for the section of one server. */
export function checkServerEnvironment(file: string, checked: SectionUnderCheck, userId: number): ConfigProblem[] {
  const findings: readonly (readonly [key: string, message: string | undefined])[] = [
    "tls_ca_file",
    "tls_crl_file",
    "tls_cert_file",
    "tls_key_file",
  ].map((key) => {
    const path = textOf(checked, key);
    if (path === undefined) return [key, undefined];
    return [key, key === "tls_key_file" ? keyProblem(path, userId) : fileProblem(path)];
  });
  const programs: (readonly [key: string, message: string | undefined])[] = [];
  checkPrograms(checked, (key, message) => programs.push([key, message]));
  return [...findings, ...programs].flatMap(([key, message]) => {
    const line = checked.compiled.entries.get(key)?.line;
    return message === undefined ? [] : [{ file, line, section: checked.section.name, key, message }];
  });
}

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Debian keeps the client tools of PostgreSQL out of the path. */
const TOOL_DIRECTORIES = ["/usr/lib/postgresql/15/bin", ...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];

/** The full path of a program, if it is installed. */
export function findTool(name: string): string | undefined {
  return TOOL_DIRECTORIES.map((directory) => join(directory, name)).find((path) => existsSync(path));
}

/** The full path of a program that the test named as required. */
export function tool(name: string): string {
  const path = findTool(name);
  if (path === undefined) throw new Error(`${name} is not installed: say requires("${name}")`);
  return path;
}

/**
 * What the sealed part of a line of a users or admins file says: the password alone, as pgmoneta writes it, or before it
 * a line that gives an admin a role. No password can begin so, because none has a line end. pgmoneta takes the whole for
 * the password, so that somebody with few rights here cannot log in there, where everybody may do everything.
 */
import { roleNamed, type Role } from "../auth/index.ts";

export interface SealedEntry {
  readonly password: string;
  /** Undefined where the line names none: pgmoneta's lines, and those of PostgreSQL logins. */
  readonly role: Role | undefined;
}

const form = /^\nrole=([a-z]+)\n([^\n]*)$/;

/** The text to seal. An admin without limits is written as pgmoneta does. */
export function entryText({ password, role }: SealedEntry): string {
  return role === undefined || role === "admin" ? password : `\nrole=${role}\n${password}`;
}

/** Inverse of `entryText`; undefined for a role that this version does not know: nobody's rights are guessed. */
export function readEntryText(text: string): SealedEntry | undefined {
  if (!text.startsWith("\n")) return { password: text, role: undefined };
  const [, name = "", password = ""] = form.exec(text) ?? [];
  const role = roleNamed(name);
  return role === undefined || password === "" ? undefined : { password, role };
}

/**
 * The comments of a backup as pgmoneta writes them into `backup.info`: `key|text` pairs joined by commas. Neither sign
 * can be part of a key or a text, because nothing there can be escaped.
 */
import { managementErrors } from "./errors.ts";

export interface CommentChange {
  readonly action: "add" | "update" | "remove";
  readonly key: string;
  /** Null where there is none: only `remove` needs none. */
  readonly comment: string | null;
}

/** All comments of a backup together, bytes: what pgmoneta's reader has room for in a line. */
const mostBytes = 2000;

function pairsOf(comments: string): (readonly [key: string, text: string])[] {
  return comments
    .split(",")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const at = pair.indexOf("|");
      return at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
    });
}

/**
 * The comments after the change. Throws REQUEST_INVALID for a text that cannot be stored, COMMENT_EXISTS when a key is
 * added that is there, COMMENT_NOT_FOUND when one is changed or removed that is not.
 */
export function changeComments(comments: string, { action, key, comment }: CommentChange): string {
  const pairs = pairsOf(comments);
  const known = pairs.some(([name]) => name === key);
  if (action === "add" && known)
    throw managementErrors.commentExists(`the backup has a comment ${key} already`, { key });
  if (action !== "add" && !known) throw managementErrors.commentNotFound(`the backup has no comment ${key}`, { key });
  if (action === "remove") return joined(pairs.filter(([name]) => name !== key));
  if (comment === null) throw managementErrors.requestInvalid(`${action} needs the text of the comment`, { action });
  for (const text of [key, comment]) {
    if (/[|,\p{Cc}\p{Zl}\p{Zp}]/u.test(text) || text.trim() !== text || text === "")
      throw managementErrors.requestInvalid(
        `${JSON.stringify(text)} cannot be stored: a key and a comment are one line without | and , that neither begins nor ends with a space`,
      );
  }
  const changed =
    action === "add"
      ? [...pairs, [key, comment] as const]
      : pairs.map((pair) => (pair[0] === key ? ([key, comment] as const) : pair));
  const text = joined(changed);
  if (Buffer.byteLength(text) > mostBytes)
    throw managementErrors.requestInvalid(`the comments of a backup take at most ${mostBytes} bytes together`, {
      bytes: Buffer.byteLength(text),
    });
  return text;
}

const joined = (pairs: readonly (readonly [string, string])[]): string =>
  pairs.map(([key, text]) => `${key}|${text}`).join(",");

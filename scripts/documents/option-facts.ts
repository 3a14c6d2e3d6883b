/** What documents say about a key, in words. */
import type { AnyOption } from "../../src/config/index.ts";

/** The default as the file would have it, or what stands for it. */
export function defaultText(option: AnyOption): string {
  const { presence, kind } = option;
  switch (presence.is) {
    case "required":
      return "required";
    case "default":
      return kind.format(presence.value);
    case "computed":
      return presence.from.shown;
    case "optional":
      return "not set";
    case "inherited":
      return "as in [pgmoneta]";
  }
}

/** What a change of the key needs at least. */
export function reloadText(option: AnyOption): string {
  // Nothing depends on its value.
  if (option.status.is === "not-active" && option.reload !== "none") return "none";
  switch (option.reload) {
    case "live":
      return "reload";
    case "restart":
      return "restart";
    case "none":
      return "next start of moneta-cli";
  }
}

/** What is not as the description promises; undefined when everything is. */
export function statusText({ status }: AnyOption): string | undefined {
  if (status.is === "active") return undefined;
  return status.is === "not-active" ? `Not active: ${status.reason}.` : `Refused when set: ${status.reason}.`;
}

/** The remarks that follow the description. */
export function remarks(option: AnyOption): string[] {
  const { kind } = option;
  const all = [
    // For the other types the chapter on values says what there is.
    ["enum", "list", "int"].includes(kind.name) ? `Expected: ${kind.expected}.` : undefined,
    statusText(option),
    option.expandsEnvironment === true ? "$NAME and ${NAME} are replaced from the environment." : undefined,
    option.ours === true ? "pgmoneta does not know this key." : undefined,
  ];
  return all.filter((remark) => remark !== undefined);
}

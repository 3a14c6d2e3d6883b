/** Keys about the checks of `moneta-cli check`. */
import { checkCodes, type CheckCode } from "../check/options.ts";
import { defaulting, type OptionTable, type ValueKind } from "./option.ts";
import { duration, notParsed, parsed } from "./value-kinds.ts";

const codes: ValueKind<readonly CheckCode[]> = {
  name: "list",
  expected: "none, or a comma-separated list of codes of moneta-cli check",
  parse: (input) => {
    if (input.toLowerCase() === "none") return parsed([]);
    const words = input.split(",").map((word) => word.trim().toUpperCase());
    const known = words.flatMap((word) => checkCodes.find((code) => code === word) ?? []);
    const stranger = words.find((word) => !(checkCodes as readonly string[]).includes(word));
    return stranger === undefined ? parsed(known) : notParsed(`codes of moneta-cli check, of which "${stranger}" is none`);
  },
  format: (value) => (value.length === 0 ? "none" : value.join(", ")),
};

export const checkOptions = {
  check_ignore: defaulting(codes, [], {
    reload: "live",
    ours: true,
    description:
      "Codes of checks that are shown and do not count, because what they find is known and accepted: PAGE_CHECKSUMS for instance.",
  }),
  check_interval: defaulting(duration, 120, {
    reload: "live",
    ours: true,
    description:
      "How often each server is checked by itself, so that notifications and the Nagios port know what its pg_wal does. 0: only when somebody asks. Without notifications and Nagios port nothing is checked by itself.",
  }),
} satisfies OptionTable;

/** Kinds of value of the keys about notifications. */
import type { ValueKind } from "./option.ts";
import { notParsed, parsed } from "./value-kinds.ts";

/** Where a webhook listens. It holds a secret as a rule, and is shown nowhere. */
export const webAddress: ValueKind<URL> = {
  name: "url",
  expected: "an address that begins with http:// or https://",
  parse: (input) => {
    if (!URL.canParse(input)) return notParsed();
    const url = new URL(input);
    return url.protocol === "http:" || url.protocol === "https:" ? parsed(url) : notParsed();
  },
  format: (value) => value.href,
};

const address = /^[^\s@,<>"]+@[^\s@,<>"]+$/;

/** One e-mail address, without a name. */
export const mailAddress: ValueKind<string> = {
  name: "string",
  expected: "an e-mail address such as backup@example.org",
  parse: (input) => (address.test(input) ? parsed(input) : notParsed()),
  format: (value) => value,
};

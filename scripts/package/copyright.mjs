/** The copyright file of a package: ours, and that of every package whose work is in it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { licenceOf, packagesUsed } from "./modules.mjs";

/** A text as a field of Debian's format: indented, empty lines as a dot. */
const field = (text) => text.trimEnd().split(/\r?\n/).map((line) => (line.trim() === "" ? " ." : ` ${line}`)).join("\n");

const firstHolder = (text) => /^.*copyright \(c\).*$/im.exec(text ?? "")?.[0].replace(/^\W*copyright \(c\)\s*/i, "").trim();

/** In the machine-readable form, version 1.0. */
export function copyrightFile(root) {
  const own = readFileSync(join(root, "LICENSE"), "utf8");
  const packages = packagesUsed(root).map((path) => ({ path, ...licenceOf(root, path) }));
  // Debian has the text of this one, and wants it read there.
  const apache = "On Debian systems the text of the Apache License, version 2.0, is in\n/usr/share/common-licenses/Apache-2.0.";
  /** A licence without its text has that of another package under it, with the holder in its place. */
  const borrowed = (license, holder) => packages.find((other) => other.license === license && other.text !== undefined)?.text.replace(/^.*copyright \(c\).*$/im, `Copyright (c) ${holder}`);
  const stanzas = packages.map((one) => {
    const holder = firstHolder(one.text) ?? one.author ?? `the authors of ${one.name}`;
    const text = one.license === "Apache-2.0" ? apache : (one.text ?? borrowed(one.license, holder));
    if (text === undefined) throw new Error(`${one.name} has no licence text, and no other package has its licence ${one.license}`);
    // Each by itself: texts under one short name differ in their holders.
    const name = `${one.license.replace(/ /g, "-")}~${one.name.replace(/[@/]/g, "-").replace(/^-/, "")}`;
    return [`Files: usr/lib/moneta/${one.path}/*`, `Copyright: ${holder}`, `License: ${name}`, field(text), `Comment: ${one.name} ${one.version}; it may be built into usr/lib/moneta/dist instead.`].join("\n");
  });
  return [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "Upstream-Name: Moneta",
    "",
    "Files: *",
    `Copyright: ${firstHolder(own)}`,
    "License: BSD-3-Clause",
    field(own),
    "",
    stanzas.join("\n\n"),
    "",
  ].join("\n");
}

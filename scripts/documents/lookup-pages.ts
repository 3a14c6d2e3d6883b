/** Pages to look something up in, made from the tables: doc/man/moneta-errors.7, moneta-checks.7 and moneta-metrics.7. */
import { checkCodes, checkTable } from "../../src/check/index.ts";
import { ownGroups, pgmonetaGroups } from "../../src/metrics/index.ts";
import { errorCatalogue } from "./error-catalogue.ts";
import { roffMarked, roffText } from "./roff.ts";

interface Lookup {
  readonly name: string;
  readonly what: string;
  readonly introduction: string;
  readonly sections: readonly { readonly title: string; readonly entries: readonly (readonly [term: string, text: string])[] }[];
}

function page({ name, what, introduction, sections }: Lookup): string {
  const lines = [
    `.TH ${roffText(name.toUpperCase())} 7 "" "Moneta" "Moneta manual"`,
    ".SH NAME",
    `${roffText(name)} \\- ${roffText(what)}`,
    ".SH DESCRIPTION",
    roffMarked(introduction),
    ...sections.flatMap(({ title, entries }) => [`.SH ${roffText(title)}`, ...entries.flatMap(([term, text]) => [".TP", `\\fB${roffText(term)}\\fP`, roffMarked(text)])]),
    ".SH SEE ALSO",
    "\\fBmoneta\\fP(1), \\fBmoneta\\-cli\\fP(1), \\fBmoneta\\-admin\\fP(1), \\fBpgmoneta.conf\\fP(5)",
  ];
  return `${lines.join("\n")}\n`;
}

/** Every code, in the order of the alphabet: whoever has one looks for it. */
function errors(): string {
  const all = errorCatalogue.flatMap((folder) => folder.errors).toSorted((one, other) => (one.code < other.code ? -1 : 1));
  return page({
    name: "moneta-errors",
    what: "errors of Moneta, with what to do about each",
    introduction: "The code is stable. The number is the exit status that a command ends with; an error that may go away by itself says so.",
    sections: [{ title: "ERRORS", entries: all.map(({ code, exit, hint, retryable }) => [code, `Exit status ${exit}${retryable ? ", may go away by itself" : ""}. ${hint}`]) }],
  });
}

function checks(): string {
  return page({
    name: "moneta-checks",
    what: "what moneta-cli check looks at",
    introduction: "Each check has a code that is never renamed; `check_ignore` of pgmoneta.conf(5) names those that are known and accepted.",
    sections: [
      {
        title: "CHECKS",
        entries: checkCodes.map((code) => {
          const { critical, fix, looksAt, warning } = checkTable[code];
          const levels = [...(warning === undefined ? [] : [`Warning: ${warning}`]), ...(critical === undefined ? [] : [`Critical: ${critical}`])];
          return [code, [looksAt, ...levels, fix].join(" ")];
        }),
      },
    ],
  });
}

function metrics(): string {
  const groups = [...ownGroups, ...pgmonetaGroups];
  return page({
    name: "moneta-metrics",
    what: "metrics of Moneta",
    introduction: "Served on the port `metrics` of pgmoneta.conf(5). The label `name` is the section of the server. Times are seconds since 1970, durations seconds, sizes bytes; what is not known has no sample.",
    sections: groups.map(({ title, families }) => ({
      title: title.toUpperCase(),
      entries: families.map(({ help, labels, name, type }) => [name, `${type === "unknown" ? "Untyped" : type.charAt(0).toUpperCase() + type.slice(1)}${labels.length === 0 ? "" : `, by ${labels.join(", ")}`}. ${help}.`]),
    })),
  });
}

/** By path from the root of the project. */
export const lookupPages: Readonly<Record<string, () => string>> = {
  "doc/man/moneta-errors.7": errors,
  "doc/man/moneta-checks.7": checks,
  "doc/man/moneta-metrics.7": metrics,
  // What man(1) is asked for by the name of a file is said on the page of all of them.
  "doc/man/pgmoneta_cli.conf.5": () => ".so man5/pgmoneta.conf.5\n",
  "doc/man/pgmoneta_users.conf.5": () => ".so man5/pgmoneta.conf.5\n",
  "doc/man/pgmoneta_admins.conf.5": () => ".so man5/pgmoneta.conf.5\n",
};

/** The configuration that is in force, key by key, as it may be shown to whoever asks: without secrets. */
import type { SectionUnderCheck } from "./check-consistency.ts";
import type { ConfigurationSource } from "./load.ts";
import type { AnyOption, OptionTable } from "./option.ts";
import { mainTable, serverTable } from "./option-table.ts";
import { shownValue } from "./shown-value.ts";

export interface DescribedValue {
  /** Of the value, as the manual names it. */
  readonly kind: string;
  /** As the file would have it; null where there is none. */
  readonly text: string | null;
  /** Undefined for a secret. */
  readonly value: unknown;
  readonly secret: boolean;
}

export type DescribedSection = Readonly<Record<string, DescribedValue>>;

export interface DescribedConfiguration {
  readonly main: DescribedSection;
  /** By name, in the order of the file. */
  readonly servers: ReadonlyMap<string, DescribedSection>;
}

function describeSection(table: OptionTable, { compiled }: SectionUnderCheck): DescribedSection {
  return Object.fromEntries(
    Object.entries(table).map(([key, option]: [string, AnyOption]) => {
      const secret = option.secret === true;
      const value = secret ? undefined : compiled.values.get(key);
      return [key, { kind: option.kind.name, text: shownValue(option, compiled, key), value, secret }];
    }),
  );
}

/** The values that must never be shown, for whoever keeps them out of the log. */
export function secretsOf({ main, servers }: ConfigurationSource): string[] {
  const of = (table: OptionTable, { compiled }: SectionUnderCheck): string[] =>
    Object.entries(table).flatMap(([key, option]: [string, AnyOption]) => {
      const value = option.secret === true ? compiled.values.get(key) : undefined;
      return value instanceof URL ? [value.href] : typeof value === "string" ? [value] : [];
    });
  return [...new Set([...of(mainTable, main), ...servers.flatMap((server) => of(serverTable, server))])];
}

/** Every key of every section with its value, defaults and what is inherited included. */
export function describeConfiguration({ main, servers }: ConfigurationSource): DescribedConfiguration {
  return {
    main: describeSection(mainTable, main),
    servers: new Map(servers.map((server) => [server.section.name, describeSection(serverTable, server)])),
  };
}

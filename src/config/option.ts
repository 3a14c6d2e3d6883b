/**
 * What is known about one configuration key. The tables of these (`option-table.ts`) are the only place
 * where a key is declared: parsing, defaults, the sample file and the manual pages come from them.
 */

/** What a reload may do with a changed key. */
export type ReloadClass =
  /** Takes effect at once. */
  | "live"
  /** The change is reported; the old value stays until the daemon is restarted. */
  | "restart"
  /** Read once by a command that ends; there is nothing to reload. */
  | "none";

/** How much of what a key promises this version keeps. */
export type OptionStatus =
  | { readonly is: "active" }
  /** Known but without effect in this version; setting it is reported as a warning. */
  | { readonly is: "not-active"; readonly reason: string }
  /** Known, and the start is refused when it is set, because going on would protect less than what is asked for. */
  | { readonly is: "refused"; readonly reason: string };

/** A value, or that the text is none; `reason` says more than the kind's `expected` where there is more to say. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason?: string };

/** How the text of a value becomes a value. */
export interface ValueKind<T> {
  /** Name of the type for the manual, for example `duration`. */
  readonly name: string;
  /** What a value must look like; completes "expected …". */
  readonly expected: string;
  parse(text: string): Parsed<T>;
  /** The text that yields this value, as the sample file and `conf get` show it. */
  format(value: T): string;
}

/** What a computed default may depend on. */
export interface DefaultContext {
  /** Values of the same section that are already known, by key. */
  readonly values: ReadonlyMap<string, unknown>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly homeDirectory: string;
  readonly userId: number;
}

/** A default that depends on other values or on the account; `shown` stands for it in the manual. */
export interface ComputedDefault<T> {
  readonly shown: string;
  compute(context: DefaultContext): T;
}

/** Facts that do not depend on the type of the value. */
export interface OptionFacts<T> {
  readonly reload: ReloadClass;
  /** One or more full sentences for the sample file and the manual. */
  readonly description: string;
  readonly status?: OptionStatus;
  /** True for keys that pgmoneta does not have. */
  readonly ours?: true;
  /** True where `$NAME` and `${NAME}` are replaced from the environment, as pgmoneta does for these keys only. */
  readonly expandsEnvironment?: true;
  /** True when the value must never be shown or logged. */
  readonly secret?: true;
  /** Another spelling of the key that is understood. */
  readonly alias?: string;
  /** A value of a key that is not active which asks for nothing, so that no warning is due; without it the default. */
  asksForNothing?(value: T): boolean;
}

/** Where the value comes from when the key is not set. */
export type Presence<T> =
  | { readonly is: "required" }
  | { readonly is: "default"; readonly value: T }
  | { readonly is: "computed"; readonly from: ComputedDefault<T> }
  | { readonly is: "optional" }
  /** Server sections only: the value of the same key of `[pgmoneta]`. */
  | Inheritance<T>;

export interface Inheritance<T> {
  readonly is: "inherited";
  /** A text that says "as in the main section", besides leaving the key out. */
  readonly token?: string;
  /** Completes a value of the server with the one of the main section; without it the server's stands alone. */
  merge?(own: T, main: T): T;
}

export interface Option<T> extends OptionFacts<T> {
  readonly kind: ValueKind<T>;
  readonly presence: Presence<T>;
  readonly status: OptionStatus;
  /** Never present; carries the type of the compiled value, `undefined` included where the key may be absent. */
  readonly compiled?: T;
}

const active: OptionStatus = { is: "active" };

/** A key without which the section is incomplete. */
export function required<T>(kind: ValueKind<T>, facts: OptionFacts<T>): Option<T> {
  return { status: active, ...facts, kind, presence: { is: "required" } };
}

/** A key with a fixed default. */
export function defaulting<T>(kind: ValueKind<T>, value: NoInfer<T>, facts: OptionFacts<T>): Option<T> {
  return { status: active, ...facts, kind, presence: { is: "default", value } };
}

/** A key whose default depends on other keys, the environment or the account. */
export function computed<T>(kind: ValueKind<T>, from: ComputedDefault<NoInfer<T>>, facts: OptionFacts<T>): Option<T> {
  return { status: active, ...facts, kind, presence: { is: "computed", from } };
}

/** A key that may be absent. */
export function optional<T>(kind: ValueKind<T>, facts: OptionFacts<T>): Option<T | undefined> {
  const option: Option<T> = { status: active, ...facts, kind, presence: { is: "optional" } };
  // Only parsed values reach `format`, so the wider type holds although the kind knows nothing of `undefined`.
  return option;
}

/** A key of a server section that falls back to the same key of `[pgmoneta]`. */
export function inherited<T>(
  main: Option<T>,
  inheritance: Omit<Inheritance<T>, "is"> = {},
  facts: Partial<OptionFacts<T>> = {},
): Option<T> {
  return { ...main, ...facts, presence: { is: "inherited", ...inheritance } };
}

/** The status of a key whose feature has no effect in this version. */
export function notActive(reason: string): OptionStatus {
  return { is: "not-active", reason };
}

/** The status of a key that stops the start when it is set. */
export function refused(reason: string): OptionStatus {
  return { is: "refused", reason };
}

/** Any option, its value type forgotten: what generators and the loader walk over. */
export type AnyOption = Option<unknown>;
export type OptionTable = Readonly<Record<string, AnyOption>>;

/** `wal_slot` → `walSlot`. */
export type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;

/** The compiled values of a table: one camel-case property a key. */
export type ValuesOf<Table extends OptionTable> = {
  readonly [Key in keyof Table & string as CamelCase<Key>]: Table[Key] extends Option<infer T> ? T : never;
};

/** The property of a key in `ValuesOf`. */
export function propertyOf(key: string): string {
  const known = properties.get(key);
  if (known !== undefined) return known;
  const property = key.replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
  properties.set(key, property);
  return property;
}

/** By key: there are as many as the tables have. */
const properties = new Map<string, string>();

/** What an operator wants to be kept, and how that is said in words. */

/**
 * `calendar`: every backup of the last `days` days, and one backup of each of the last weeks, months and years.
 * `window`: everything that it takes to restore to any moment of the last `seconds`. `count`: the newest `copies`.
 */
export type RetentionPolicy =
  | {
      readonly kind: "calendar";
      readonly days: number;
      readonly weeks?: number | undefined;
      readonly months?: number | undefined;
      readonly years?: number | undefined;
    }
  | { readonly kind: "window"; readonly seconds: number }
  | { readonly kind: "count"; readonly copies: number };

const dayMs = 86_400_000;

/** `1 day`, `7 days`. */
export function counted(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** A number of seconds in the largest unit that says it exactly. */
export function spanOf(seconds: number): string {
  for (const [unit, length] of [
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
  ] as const) {
    if (seconds >= length && seconds % length === 0) return counted(seconds / length, unit);
  }
  return counted(seconds, "second");
}

/** The policy as the configuration has it. */
export function formatPolicy(policy: RetentionPolicy): string {
  if (policy.kind === "count") return `count:${policy.copies}`;
  if (policy.kind === "window") {
    const { seconds } = policy;
    for (const [unit, length] of [
      ["d", 86_400],
      ["h", 3600],
      ["m", 60],
    ] as const) {
      if (seconds % length === 0) return `window:${seconds / length}${unit}`;
    }
    return `window:${seconds}s`;
  }
  return [policy.days, policy.weeks, policy.months, policy.years]
    .map((field) => field ?? "-")
    .join(", ")
    .replace(/(, -)+$/, "");
}

/**
 * The moment, milliseconds since 1970, up to which the policy looks back in full: what is younger stays, also where no
 * backup needs it. Undefined for a policy that does not speak of time.
 */
export function reachOf(policy: RetentionPolicy, now: number): number | undefined {
  if (policy.kind === "count") return undefined;
  return now - (policy.kind === "window" ? policy.seconds * 1000 : policy.days * dayMs);
}

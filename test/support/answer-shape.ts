/**
 * The shape of JSON answers: which keys there are, how they are nested, and the type of each, without the values. Whoever reads
 * answers by a program relies on that, so a key that goes, or becomes something else, is a break; a new one is not.
 */

/**
 * `text`, `number`, `flag`, `null`, several joined by ` | `; a list is the shape of its entries in brackets, `[]` of one that was
 * always empty, and nothing more is known of what was always `null`; of an object, keys with `?` are not in every answer, or have no object or list in every answer but null.
 */
export type Shape = string | readonly [] | readonly [Shape] | { readonly [key: string]: Shape };

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);
const isList = (shape: Shape): shape is readonly [] | readonly [Shape] => Array.isArray(shape);
const isNamed = (shape: Shape): shape is { readonly [key: string]: Shape } => typeof shape === "object" && !Array.isArray(shape);

const typeNames: Readonly<Record<string, string>> = { string: "text", number: "number", boolean: "flag" };

/** The shape of one answer. */
export function shapeOf(value: unknown): Shape {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? [] : [value.map(shapeOf).reduce(merge)];
  // pgmoneta's library writes an empty list as an empty object.
  if (isObject(value) && Object.keys(value).length === 0) return [];
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shapeOf(inner)]));
  return typeNameOf(value);
}

const typeNameOf = (value: unknown): string => (value === null ? "null" : (typeNames[typeof value] ?? typeof value));

const bare = (key: string): string => key.replace(/\?$/, "");

/** What fits both: keys that one of them lacks become optional, types that differ are both allowed. */
export function merge(one: Shape, other: Shape): Shape {
  if (isList(one) && isList(other)) {
    const [first] = one;
    const [second] = other;
    if (first === undefined) return other;
    return second === undefined ? one : [merge(first, second)];
  }
  if (isNamed(one) && isNamed(other)) return mergeKeys(one, other);
  if (isList(one) && one.length === 0 && isNamed(other)) return other;
  if (isList(other) && other.length === 0 && isNamed(one)) return one;
  if (typeof one !== "string" || typeof other !== "string") throw new Error(`${JSON.stringify(one)} and ${JSON.stringify(other)} have no shape in common`);
  return [...new Set([...one.split(" | "), ...other.split(" | ")])].toSorted().join(" | ");
}

function mergeKeys(one: { readonly [key: string]: Shape }, other: { readonly [key: string]: Shape }): Shape {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)].map(bare))].toSorted();
  return Object.fromEntries(
    names.map((name) => {
      const [a, b] = [one[name] ?? one[`${name}?`], other[name] ?? other[`${name}?`]];
      // What is null at times, else an object or a list.
      const [first, second] = [a, b].filter((shape, at, all) => shape !== undefined && (shape !== "null" || typeof (all[1 - at] ?? "null") === "string"));
      const always = name in one && name in other && second !== undefined;
      return [always ? name : `${name}?`, second === undefined ? (first ?? "null") : merge(first ?? "null", second)];
    }),
  );
}

/**
 * What of a shape an answer breaks, one sentence each: keys that are missing, types that are others. Keys that are new break
 * nothing.
 */
export function breaches(value: unknown, shape: Shape, at = "answer"): string[] {
  if (isList(shape)) {
    if (isObject(value) && Object.keys(value).length === 0) return [];
    if (!Array.isArray(value)) return [`${at} is no list`];
    const [entry] = shape;
    return entry === undefined ? [] : value.flatMap((inner, index) => breaches(inner, entry, `${at}[${index}]`));
  }
  if (isNamed(shape)) {
    if (!isObject(value)) return [`${at} is no object`];
    return Object.entries(shape).flatMap(([key, inner]) => {
      const name = bare(key);
      const sometimes = key.endsWith("?");
      if (!Object.hasOwn(value, name)) return sometimes ? [] : [`${at}.${name} is missing`];
      return sometimes && value[name] === null && typeof inner !== "string" ? [] : breaches(value[name], inner, `${at}.${name}`);
    });
  }
  if (shape === "null") return [];
  const found = Array.isArray(value) ? "a list" : isObject(value) ? "an object" : typeNameOf(value);
  return shape.split(" | ").includes(found) ? [] : [`${at} is ${found}, expected ${shape}`];
}

/** Places by what shall lie there, as one request field: the text of a JSON object. */
import { managementErrors } from "./errors.ts";
import { isJsonObject, parseJson } from "./json.ts";

/** The field that carries these places. */
export function formatPlaces(places: ReadonlyMap<string, string>): string {
  return JSON.stringify(Object.fromEntries(places));
}

/** The places of a field; none when it is absent. Throws REQUEST_INVALID. */
export function parsePlaces(text: string | null): { readonly tablespace: string; readonly directory: string }[] {
  if (text === null) return [];
  const refuse = (cause?: unknown) =>
    managementErrors.requestInvalid(
      "TablespaceMap is not the text of a JSON object of paths",
      { field: "TablespaceMap" },
      cause,
    );
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw refuse(error);
  }
  if (!isJsonObject(value as never)) throw refuse();
  return Object.entries(value as Record<string, unknown>).map(([tablespace, directory]) => {
    if (typeof directory !== "string") throw refuse();
    return { tablespace, directory };
  });
}

/** Text of `conf ls`, `conf get`, `conf set` and `conf reload`. */
import { isJsonObject, type JsonObject, type JsonValue } from "../management/index.ts";
import { flagIn, objectsIn, textIn, textsIn } from "./document-fields.ts";
import { formatPairs, wrap } from "./table.ts";

/** A value as the configuration file would have it; undefined where there is none. */
function valueText(value: JsonValue | undefined): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (isJsonObject(value)) return textIn(value, "string_value") ?? "";
  if (typeof value === "boolean") return value ? "on" : "off";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function renderConfigurationPaths(response: JsonObject): string[] {
  return formatPairs([
    ["main", textIn(response, "main_configuration_path") ?? "not there"],
    ["users", textIn(response, "users_configuration_path") ?? "not there"],
    ["admins", textIn(response, "admin_configuration_path") ?? "not there"],
  ]);
}

/** Keys that have no value stand there as comments, as in the sample file. */
const lines = (section: JsonObject): string[] =>
  Object.entries(section).map(([key, value]) => {
    const text = valueText(value);
    return text === undefined ? `#${key} =` : `${key} = ${text}`;
  });

/** Everything, or a section, as a file; one key as its value alone. */
export function renderConfiguration(response: JsonObject): string[] {
  const { server } = response;
  const main = Object.fromEntries(Object.entries(response).filter(([key]) => key !== "server" && key !== "ServerVersion"));
  const servers = isJsonObject(server) ? Object.entries(server).filter((entry): entry is [string, JsonObject] => isJsonObject(entry[1])) : [];
  const keys = Object.entries(main);
  const [only] = servers;
  const single = keys.length === 1 && servers.length === 0 ? keys[0] : keys.length === 0 && servers.length === 1 && only !== undefined && Object.keys(only[1]).length === 1 ? Object.entries(only[1])[0] : undefined;
  if (single !== undefined) return [valueText(single[1]) ?? ""];
  const paths = ["admin_configuration_path", "main_configuration_path", "users_configuration_path"];
  const own = Object.fromEntries(keys.filter(([key]) => !paths.includes(key)));
  const sections: [string, JsonObject][] = [...(keys.length === 0 ? [] : [["pgmoneta", own] as [string, JsonObject]]), ...servers];
  return sections.flatMap(([name, section], index) => [...(index === 0 ? [] : [""]), `[${name}]`, ...lines(section)]);
}

const from = (old: string | undefined, now: string | undefined): string => `${old ?? "not set"} → ${now ?? "not set"}`;

const effectLines = (response: JsonObject): string[] => [
  ...textsIn(response, "Effects").flatMap((effect) => wrap(`${effect.charAt(0).toUpperCase()}${effect.slice(1)}.`, 78, "", "  ")),
  ...textsIn(response, "Warnings").flatMap((warning) => wrap(warning, 78, "! ", "  ")),
];

export function renderConfigurationSet(response: JsonObject): string[] {
  const key = textIn(response, "config_key") ?? "?";
  const file = textIn(response, "file");
  if (flagIn(response, "restart_required") === true) {
    const change = from(textIn(response, "current_value"), textIn(response, "requested_value"));
    return [
      ...wrap(`${key}: ${change}, when the daemon is started again.`, 78, "", "  "),
      ...(file === undefined ? [] : wrap(`It is in ${file}; until then the old value stays in force.`, 78, "", "  ")),
    ];
  }
  const [old, now] = [textIn(response, "old_value"), textIn(response, "new_value")];
  const saved = file === undefined ? "until the next reload or restart: it is not in the file (--save)" : `and in ${file}`;
  return [
    ...(old === now ? [`${key} is ${now ?? "not set"} already.`] : [`${key}: ${from(old, now)}`]),
    ...wrap(`In force ${saved}.`, 78, "", "  "),
    ...effectLines(response),
  ];
}

export function renderReload(response: JsonObject): string[] {
  const changed = objectsIn(response, "Changed");
  const waiting = objectsIn(response, "RestartRequired");
  const [added, removed] = [textsIn(response, "ServersAdded"), textsIn(response, "ServersRemoved")];
  const nothing = changed.length + waiting.length + added.length + removed.length === 0;
  return [
    nothing ? "The configuration is in force; no key has another value than before." : "The configuration was read again and is in force.",
    ...changed.flatMap((change) => wrap(`${textIn(change, "Key") ?? "?"}: ${from(textIn(change, "Old"), textIn(change, "New"))}`, 78, "  ", "    ")),
    ...added.map((name) => `  new server: ${name}`),
    ...removed.map((name) => `  server that is not there any more: ${name}`),
    ...(waiting.length === 0 ? [] : ["These need a restart of the daemon and stay as they were until then:"]),
    ...waiting.flatMap((change) =>
      wrap(`${textIn(change, "Key") ?? "?"}: ${from(textIn(change, "Current"), textIn(change, "Requested"))}`, 78, "  ", "    "),
    ),
    ...effectLines(response),
  ];
}

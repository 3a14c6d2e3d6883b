/** `conf get <key>` of pgmoneta's daemon, which answers with everything: its client, and this one, picks out what was asked for. */
import { configErrors, parseConfigurationKey } from "../config/index.ts";
import { isJsonObject, selectConfiguration, type JsonObject, type ManagementResponse } from "../management/index.ts";
import type { Invocation } from "./invocation.ts";

/** The answer with nothing but what the command asks for. Throws `CONFIGURATION_KEY_UNKNOWN`. */
export function narrowConfiguration({ command, fields }: Pick<Invocation, "command" | "fields">, answer: ManagementResponse): ManagementResponse {
  const { document, outcome, response } = answer;
  const asked = fields.ConfigKey;
  if (command !== "conf get" || typeof asked !== "string" || !outcome.status || response.base_dir === undefined || response.server === undefined) return answer;
  const servers = isJsonObject(response.server) ? Object.keys(response.server) : [];
  const chosen: JsonObject | null = selectConfiguration(response, parseConfigurationKey(asked, servers));
  if (chosen === null) throw configErrors.keyUnknown(`the daemon has no ${asked}`, { key: asked });
  return { outcome, response: chosen, document: { ...document, Response: chosen } };
}

/** How a key is named in `conf get` and `conf set`: `key`, `pgmoneta.key`, `server.<name>.key`. */
import { configErrors } from "./errors.ts";
import { mainTable, serverTable } from "./option-table.ts";
import { suggestion } from "./suggestion.ts";

/** A key, or all of a section. */
export interface ConfigurationKey {
  /** `pgmoneta`, or the name of a server. */
  readonly section: string;
  readonly key?: string | undefined;
}

const known = (section: string, key: string): boolean => Object.hasOwn(section === "pgmoneta" ? mainTable : serverTable, key);

function unknown(section: string, key: string): Error {
  const meant = suggestion(key, Object.keys(section === "pgmoneta" ? mainTable : serverTable));
  const where = section === "pgmoneta" ? "[pgmoneta]" : `the section of a server`;
  return configErrors.keyUnknown(`there is no key ${key} in ${where}${meant === undefined ? "" : `: did you mean ${meant}?`}`, { key });
}

/**
 * Understands the name of a key or section: `pgmoneta` and `server.<name>` are whole sections. Throws `CONFIGURATION_KEY_UNKNOWN`; whether
 * there is such a server is for the caller to say.
 *
 * @param servers names, which may have dots
 */
export function parseConfigurationKey(text: string, servers: readonly string[]): ConfigurationKey {
  const own = text.startsWith("pgmoneta.") ? text.slice("pgmoneta.".length) : text;
  if (text === "pgmoneta") return { section: "pgmoneta" };
  if (!text.startsWith("server.")) {
    if (!known("pgmoneta", own)) throw unknown("pgmoneta", own);
    return { section: "pgmoneta", key: own };
  }
  const rest = text.slice("server.".length);
  if (servers.includes(rest)) return { section: rest };
  const dot = rest.lastIndexOf(".");
  if (dot <= 0) return { section: rest };
  const [section, key] = [rest.slice(0, dot), rest.slice(dot + 1)];
  if (!known(section, key)) throw unknown(section, key);
  return { section, key };
}

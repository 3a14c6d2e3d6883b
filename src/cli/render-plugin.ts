/** The answer to `check` as a plugin of Nagios prints it; apart, because it brings all of the checks along. */
import { nagiosLines, pluginOutput, type Figure, type PluginStatus } from "../check/index.ts";
import type { MonetaError } from "../common/index.ts";
import type { JsonObject } from "../management/index.ts";
import { flagIn, numberIn, objectsIn, textIn } from "./document-fields.ts";
import { failedCheckStatus } from "./render-check.ts";

/** The answer as a plugin prints it. */
export function renderPlugin(response: JsonObject): string[] {
  const figures = objectsIn(response, "Figures").flatMap((figure): Figure[] => {
    const [label, value] = [textIn(figure, "Label"), numberIn(figure, "Value")];
    if (label === undefined || value === undefined) return [];
    const unit = textIn(figure, "Unit");
    const level = (key: string): number | undefined => {
      const found = numberIn(figure, key);
      return found === undefined ? undefined : Number(found);
    };
    return [{ label, value: Number(value), unit: unit === "s" || unit === "B" ? unit : "", warning: level("Warning"), critical: level("Critical") }];
  });
  return nagiosLines({
    server: textIn(response, "Server") ?? "?",
    status: textIn(response, "Status") ?? "unknown",
    results: objectsIn(response, "Checks").map((check) => ({
      code: textIn(check, "Code") ?? "?",
      status: textIn(check, "Status") ?? "unknown",
      message: textIn(check, "Message") ?? "?",
      fix: textIn(check, "Fix"),
      ignored: flagIn(check, "Ignored") === true,
    })),
    figures,
  });
}

/** A check that could not be made, as a plugin prints it. */
export function renderFailedPlugin({ code, message, hint }: Pick<MonetaError, "code" | "message" | "hint">): string[] {
  const status: PluginStatus = failedCheckStatus(code) === 2 ? "CRITICAL" : "UNKNOWN";
  return pluginOutput(status, message, [`${code} - ${hint}`]);
}

/** `conf ls`, `conf get`, `conf set` and `conf reload`. */
import {
  configErrors,
  describeConfiguration,
  parseConfigurationKey,
  type ConfigurationKey,
  type LoadedConfiguration,
} from "../config/index.ts";
import {
  configurationPathsResponse,
  configurationResponse,
  configurationSetResponse,
  keyName,
  managementErrors,
  reloadResponse,
  selectConfiguration,
  type ManagementRequest,
  type ResponseResult,
} from "../management/index.ts";
import type { HandlerContext } from "./handler-context.ts";

function keyOf(text: string, { configuration: { servers } }: LoadedConfiguration): ConfigurationKey {
  const names = servers.map(({ name }) => name);
  const key = parseConfigurationKey(text, names);
  if (key.section !== "pgmoneta" && !names.includes(key.section)) {
    throw managementErrors.serverUnknown(`there is no server ${JSON.stringify(key.section)}`, { server: key.section });
  }
  return key;
}

export async function handleConfLs({ reloads }: HandlerContext): Promise<ResponseResult> {
  return { status: true, response: configurationPathsResponse(reloads().running().configuration.files) };
}

export async function handleConfGet(request: ManagementRequest, { reloads }: HandlerContext): Promise<ResponseResult> {
  const running = reloads().running();
  const asked = request.fields["ConfigKey"];
  const all = configurationResponse(describeConfiguration(running.source), running.configuration.files);
  if (typeof asked !== "string") return { status: true, response: all };
  const chosen = selectConfiguration(all, keyOf(asked, running));
  if (chosen === null) throw configErrors.keyUnknown(`there is no key ${asked}`, { key: asked });
  return { status: true, response: chosen };
}

export async function handleConfSet(request: ManagementRequest, { reloads }: HandlerContext): Promise<ResponseResult> {
  const asked = String(request.fields["ConfigKey"]);
  const { section, key } = keyOf(asked, reloads().running());
  if (key === undefined) throw configErrors.keyUnknown(`${asked} is a section and not a key`, { key: asked });
  const { change, effects, needsRestart, saved } = await reloads().set(
    { section, key },
    String(request.fields["ConfigValue"]),
    request.fields["Save"] === true,
  );
  const { source } = reloads().running();
  const described = describeConfiguration(source);
  const now = (section === "pgmoneta" ? described.main : described.servers.get(section))?.[key]?.text ?? null;
  return {
    status: true,
    response: configurationSetResponse({
      key: keyName({ section, key }),
      before: change === undefined ? now : change.before,
      after: change === undefined ? now : change.after,
      needsRestart,
      saved,
      effects,
    }),
  };
}

export async function handleConfReload({ reloads }: HandlerContext): Promise<ResponseResult> {
  const { difference, effects, warnings } = await reloads().reload();
  return { status: true, response: reloadResponse({ ...difference, effects, warnings }) };
}

/** `check` and `notify test`. */
import { checkResponse, type JsonObject, type ResponseResult } from "../management/index.ts";
import { notifyErrors } from "../notify/index.ts";
import type { HandlerContext } from "./handler-context.ts";
import type { SupervisedServer } from "./server.ts";
import { identityOf } from "./status.ts";

export async function handleCheck(_request: unknown, server: SupervisedServer, { checks }: HandlerContext): Promise<ResponseResult> {
  const report = await checks.check(server);
  return { status: true, response: checkResponse(identityOf(server), report) };
}

/** Yes only when every target took the test. */
export async function handleNotifyTest({ notifications }: HandlerContext): Promise<ResponseResult> {
  const { notifier } = notifications;
  if (notifier.targets === 0) throw notifyErrors.notConfigured("no target of notifications is configured");
  const results = await notifier.test();
  const response: JsonObject = {
    Targets: results.map(({ error, target }) => ({ Target: target, Delivered: error === undefined, Message: error?.message ?? null, Code: error?.code ?? null })),
  };
  const failed = results.filter(({ error }) => error !== undefined);
  if (failed.length === 0) return { status: true, response };
  const message = failed.map(({ error, target }) => `${target}: ${error?.message ?? ""}`).join("; ");
  throw notifyErrors.testFailed(`${failed.length} of ${results.length} targets did not take the test: ${message}`, { failed: failed.length });
}

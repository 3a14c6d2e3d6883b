/** Posts a document to a webhook over HTTP or HTTPS. The address is a secret as a rule: messages name its host alone. */
import { request as plainRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as securedRequest } from "node:https";
import { messageOf } from "../common/index.ts";
import { notifyErrors } from "./errors.ts";
import { trustOf, type Trust, type TrustFiles } from "./trust.ts";

export interface Post extends TrustFiles {
  readonly url: URL;
  readonly body: unknown;
  readonly token?: string | undefined;
  readonly timeLimitMs: number;
  readonly version: string;
}

/** Resolves when the target has taken it: a status of 200 to 299. Throws NOTIFY_REFUSED or NOTIFY_UNREACHABLE. */
export async function post({ url, body, token, caFile, crlFile, timeLimitMs, version }: Post): Promise<void> {
  const secured = url.protocol === "https:";
  const content = Buffer.from(JSON.stringify(body));
  const where = url.host;
  const trust = secured ? await trustOf({ caFile, crlFile }) : {};
  let status: number;
  try {
    const options: RequestOptions & Trust = {
      method: "POST",
      ...(url.username === "" ? {} : { auth: `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` }),
      headers: {
        "Content-Type": "application/json",
        "Content-Length": content.length,
        "User-Agent": `moneta/${version}`,
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      },
      // One that is used once: a target that was replaced is found at its new address.
      agent: false,
      ...trust,
    };
    status = await exchange(() => (secured ? securedRequest : plainRequest)(bare(url), options), content, timeLimitMs);
  } catch (error) {
    throw notifyErrors.unreachable(`the webhook at ${where} cannot be reached: ${messageOf(error)}`, { host: where }, error);
  }
  if (status >= 200 && status < 300) return;
  throw notifyErrors.refused(`the webhook at ${where} answered with status ${status}`, { host: where, status });
}

function bare(url: URL): URL {
  const copy = new URL(url);
  copy.username = "";
  copy.password = "";
  return copy;
}

function exchange(open: () => ReturnType<typeof plainRequest>, content: Buffer, timeLimitMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = open();
    const timer = setTimeout(() => request.destroy(new TimeLimit(`no answer within ${timeLimitMs / 1000} s`)), timeLimitMs);
    const settled = (act: () => void): void => {
      clearTimeout(timer);
      act();
    };
    request.once("error", (error) => settled(() => reject(error)));
    request.once("response", (response: IncomingMessage) =>
      settled(() => {
        resolve(response.statusCode ?? 0);
        // What it says besides is of no interest, and may have no end.
        response.destroy();
      }),
    );
    request.end(content);
  });
}

/** Caught at once, and told as part of NOTIFY_UNREACHABLE. */
class TimeLimit extends Error {}

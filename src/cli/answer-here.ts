/** Answers without a daemon: documents that look like those it would have sent. */
import { toMonetaError } from "../common/index.ts";
import { buildRequest, buildResponse, encodeDocument, parseRequest, parseResponse } from "../management/index.ts";
import type { JsonObject, ManagementResponse, OutputFormat } from "../management/index.ts";
import type { Invocation } from "./invocation.ts";
import type { Terminal } from "./terminal.ts";

/** Runs `perform` for the command; a failure of it is an answer with a failed outcome. */
export async function answerHere(
  { command, fields }: Pick<Invocation, "command" | "fields">,
  format: OutputFormat,
  { clock }: Pick<Terminal, "clock">,
  perform: () => Promise<JsonObject>,
): Promise<ManagementResponse> {
  const start = clock.monotonic();
  const header = { output: format, compression: 0, encryption: 0, now: clock.now() } as const;
  let result: Parameters<typeof buildResponse>[1];
  try {
    result = { status: true, response: await perform() };
  } catch (error) {
    result = { status: false, error: toMonetaError(error) };
  }
  // Through the same bytes as an answer over the socket, so that both look the same to everything that follows.
  const raw = parseRequest(encodeDocument(buildRequest(command, fields, header)));
  return parseResponse(encodeDocument(buildResponse(raw, result, clock.monotonic() - start)));
}

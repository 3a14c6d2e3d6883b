/** `key rotate`: another data key for what a server encrypts from now on. */
import { keyRotateResponse, type ManagementRequest, type ResponseResult } from "../management/index.ts";
import { supervisorErrors } from "./errors.ts";
import type { HandlerContext } from "./handler-context.ts";
import type { SupervisedServer } from "./server.ts";
import { identityOf } from "./status.ts";

/** Backups that are being taken keep the key that they began with; what begins later, and the next segment of WAL, has the new one. */
export async function handleKeyRotate(
  _request: ManagementRequest,
  server: SupervisedServer,
  { rotateKey }: HandlerContext,
): Promise<ResponseResult> {
  if (server.options.encryption === "none") {
    throw supervisorErrors.nothingEncrypted(`nothing of ${server.name} is encrypted, so no data key is in use`, { server: server.name });
  }
  const { id, previous } = await rotateKey(server);
  return { status: true, response: keyRotateResponse(identityOf(server), id, previous) };
}

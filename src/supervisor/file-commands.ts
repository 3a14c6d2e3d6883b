/** `compress`, `decompress`, `encrypt` and `decrypt`: one file, in place. */
import { isAbsolute } from "node:path";
import {
  conversionResponse,
  managementErrors,
  type ManagementRequest,
  type ResponseResult,
} from "../management/index.ts";
import type { HandlerContext } from "./handler-context.ts";

export type FileCommand = "compress" | "decompress" | "encrypt" | "decrypt";

/** Converts the file that the request names. */
export async function handleFile(
  command: FileCommand,
  { fields }: ManagementRequest,
  { convert }: HandlerContext,
): Promise<ResponseResult> {
  const file = fields["SourceFile"];
  if (typeof file !== "string")
    throw managementErrors.requestInvalid("the request has no field SourceFile", { field: "SourceFile" });
  if (!isAbsolute(file)) {
    throw managementErrors.requestInvalid(`the path "${file}" is not absolute, and the daemon works elsewhere`, {
      file,
    });
  }
  return { status: true, response: conversionResponse(await convert(command, file)) };
}

/** The HTTP(S) listener of metrics and health. */
export { createHttpEndpoint, type HttpEndpoint, type HttpSettings, type PreparedEndpoint } from "./endpoint.ts";
export type { Answer, Content, Readiness } from "./answer.ts";
export { httpErrors } from "./errors.ts";

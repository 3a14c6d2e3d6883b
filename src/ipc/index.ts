export * from "./channel.ts";
export type { Check, JsonObject, JsonValue } from "./check.ts";
export * from "./child-session.ts";
export * from "./conversion.ts";
export * from "./errors.ts";
export * from "./job-request.ts";
export * from "./log-forwarder.ts";
export * from "./messages.ts";
export * from "./settings.ts";

export * from "./compare.ts";
export * from "./consumption.ts";
export * from "./proc.ts";
export * from "./statistics.ts";
export * from "./text-table.ts";

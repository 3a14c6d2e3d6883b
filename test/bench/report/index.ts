export * from "./chart.ts";
export * from "./earlier.ts";
export * from "./print.ts";
export * from "./report.ts";

export * from "./check.ts";
export * from "./evaluate.ts";
export * from "./options.ts";
export { growthPerHour, timeToFull } from "./checks-wal.ts";
export { nagiosLines, pluginOutput, type Figure, type PluginReport, type PluginStatus } from "./nagios.ts";
export { probe, type CertificateFile, type ProbeOptions } from "./probe.ts";

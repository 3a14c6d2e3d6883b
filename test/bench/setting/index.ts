export * from "./disk.ts";
export * from "./moneta.ts";
export * from "./pgbackrest.ts";
export * from "./programs.ts";
export * from "./standard-cluster.ts";
export * from "./wal-stretch.ts";

/**
 * The floors of doc/ARCHITECTURE.md as rules. A folder may import what stands on a lower floor,
 * and another folder only through its index.ts.
 */
const floors = {
  F0: ["common"],
  F1: ["log", "postgres", "auth", "compression", "encryption", "tar", "schedule"],
  F2: ["replication", "vault", "pipeline", "storage"],
  F3: ["repository"],
  F4: ["wal", "backup", "restore", "retention", "verify", "drill", "convert", "archive", "keys", "hooks", "check", "notify", "diagnose"],
  F5: ["config", "state", "ipc", "management", "metrics", "service-manager"],
  F6: ["supervisor", "receiver", "job", "converter", "prober", "http", "cli", "admin", "monitor", "console"],
};
const names = Object.keys(floors);
const path = (folders) => `^src/(${folders.join("|")})/`;
const above = (index) => names.slice(index + 1).flatMap((name) => floors[name]);
const rules = [];
for (const [index, name] of names.entries()) {
  if (index < names.length - 1) {
    rules.push({
      name: `${name}-imports-only-downwards`,
      severity: "error",
      from: { path: path(floors[name]) },
      to: { path: path(above(index)) },
    });
  }
  if (["F1", "F2", "F4"].includes(name)) {
    for (const folder of floors[name]) {
      rules.push({
        name: `${name}-${folder}-does-not-import-its-neighbours`,
        severity: "error",
        from: { path: `^src/${folder}/` },
        to: { path: path(floors[name].filter((other) => other !== folder && other !== "log")) },
      });
    }
  }
}
for (const folder of names.flatMap((name) => floors[name])) {
  rules.push({
    name: `${folder}-is-entered-by-its-door`,
    severity: "error",
    from: { path: "^src/", pathNot: `^src/${folder}/` },
    to: { path: `^src/${folder}/`, pathNot: `^src/${folder}/(index|main|errors|options)\\.ts$` },
  });
}
rules.push(
  { name: "F4-takes-options-not-configuration", severity: "error", from: { path: path(floors.F4) }, to: { path: "^src/(config|ipc)/" } },
  {
    name: "F5-touches-no-F3-F4-code-only-types",
    severity: "error",
    from: { path: path(floors.F5) },
    to: { path: path([...floors.F3, ...floors.F4]), dependencyTypesNot: ["type-only"], pathNot: "/(options|errors)\\.ts$" },
  },
  { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
  { name: "no-orphans", severity: "error", from: { path: "^src/", orphan: true, pathNot: "(main|\\.d)\\.ts$" }, to: {} },
  { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
);
module.exports = {
  forbidden: rules,
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: "specify",
    doNotFollow: { path: "node_modules" },
  },
};

import tseslint from "typescript-eslint";

/** Rules a daemon cannot live without: no floating promise, no `any`, no swallowed error. */
export default tseslint.config(
  { ignores: ["dist/", "test/fixtures/.built/", "node_modules/", "**/*.d.ts", "test/postgres/"] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    files: ["src/**/*.ts", "test/**/*.ts", "scripts/**/*.ts", "vitest.config.ts"],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/only-throw-error": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/require-await": "off",
      "no-restricted-exports": ["error", { restrictDefaultExports: { direct: true } }],
      "no-empty": ["error", { allowEmptyCatch: false }],
      eqeqeq: "error",
      "max-lines": ["error", { max: 500, skipComments: true, skipBlankLines: true }],
    },
  },
  {
    // A bare string or Error carries no code, exit status or hint: src/ throws from the error catalogue only.
    files: ["src/**/*.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        { selector: "ThrowStatement > NewExpression[callee.name='Error']", message: "Throw an error of the catalogue (defineErrors)." },
      ],
      "no-console": "error",
    },
  },
  {
    files: ["src/{common,log,postgres,auth,compression,encryption,tar,replication,vault,pipeline,storage,repository,wal,backup,restore,retention,verify,drill,archive,keys}/**/*.ts"],
    rules: {
      "no-restricted-properties": [
        "error",
        { object: "process", property: "on", message: "Only the processes (F6) touch process.on." },
        { object: "process", property: "exit", message: "Only the processes (F6) end a process." },
        { object: "process", property: "env", message: "Nobody below F5 reads the environment: take options." },
      ],
    },
  },
  {
    files: ["vitest.config.ts", "eslint.config.js"],
    rules: { "no-restricted-exports": "off" },
  },
  { files: ["**/*.js", "**/*.mjs", "**/*.cjs"], ...tseslint.configs.disableTypeChecked },
  // They are CommonJS because what comes before a program's own modules must be.
  { files: ["**/*.cjs"], rules: { "@typescript-eslint/no-require-imports": "off" } },
);

import { writeFileSync } from "node:fs";
import { relative } from "node:path";

/**
 * Vitest reporter that writes what scripts/test.mjs adds up: one entry a test, and every error outside of tests,
 * to the file named by MONETA_TEST_RESULTS.
 */
export default class ResultFile {
  onTestRunEnd(modules, unhandledErrors) {
    const tests = [];
    const errors = unhandledErrors.map((error) => error.message ?? String(error));
    for (const module of modules) {
      const file = relative(process.cwd(), module.moduleId);
      for (const error of module.errors()) errors.push(`${file}: ${error.message}`);
      for (const suite of module.children.allSuites()) {
        for (const error of suite.errors()) errors.push(`${file}: ${suite.fullName}: ${error.message}`);
      }
      for (const test of module.children.allTests()) {
        const result = test.result();
        tests.push({ file, name: test.fullName, state: result.state, note: result.note, milliseconds: test.diagnostic()?.duration ?? 0 });
      }
    }
    writeFileSync(process.env.MONETA_TEST_RESULTS, JSON.stringify({ tests, errors }));
  }
}

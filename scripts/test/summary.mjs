/** Adds up the results of several runs and says them; the last line is for machines as well as for people. */
export function summarise(results, { noSkips, filtered }) {
  // With a name pattern vitest calls all others skipped: those were not asked for.
  const wanted = (test) => !filtered || test.state !== "skipped" || hasReason(test);
  const tests = results.flatMap((result) => result.tests).filter(wanted);
  const errors = results.flatMap((result) => result.errors);
  const failed = tests.filter((test) => test.state === "failed");
  const passed = tests.filter((test) => test.state === "passed");
  const skipped = tests.filter((test) => test.state !== "failed" && test.state !== "passed");
  const lines = [];
  if (skipped.length > 0) {
    lines.push("", "Skipped:");
    for (const test of skipped) lines.push(`  ${test.file}: ${test.name}${reasonOf(test)}`);
  }
  if (failed.length > 0 || errors.length > 0) {
    lines.push("", "Failed:");
    for (const test of failed) lines.push(`  ${test.file}: ${test.name}`);
    for (const error of errors) lines.push(`  ${error}`);
  }
  // An error outside of any test (a file that cannot be loaded, a hook) is a failure like any other.
  const failures = failed.length + errors.length;
  const nothingRan = passed.length + failures + skipped.length === 0;
  if (nothingRan) lines.push("", "No test was found.");
  if (noSkips && skipped.length > 0) lines.push("", "Nothing may be skipped here.");
  const counts = [`${passed.length} passed`, `${failures} failed`];
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`);
  lines.push("", counts.join(", "));
  return { text: lines.join("\n"), ok: failures === 0 && !nothingRan && !(noSkips && skipped.length > 0) };
}

/** Tests skipped by test/support/requires.ts carry the reason in their name. */
const hasReason = (test) => test.note !== undefined || /\(needs [^)]+\)/.test(test.name);

function reasonOf(test) {
  if (test.note !== undefined) return ` (${test.note})`;
  return hasReason(test) ? "" : " (NO REASON GIVEN)";
}

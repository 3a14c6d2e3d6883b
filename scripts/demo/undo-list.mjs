/**
 * What has to be undone at the end, however the end comes: last started, first stopped. Every step is tried even
 * when one before it failed.
 */
export function createUndoList() {
  const steps = [];
  return {
    add(name, undo) {
      steps.push({ name, undo });
    },
    async run() {
      const failures = [];
      for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
        try {
          await step.undo();
        } catch (error) {
          failures.push(`${step.name}: ${error.message}`);
        }
      }
      return failures;
    },
  };
}

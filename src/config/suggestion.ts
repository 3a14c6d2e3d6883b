/** "Did you mean …" for a mistyped key. */

/**
 * Number of letters to insert, remove, replace or swap with a neighbour to turn `a` into `b` (optimal string alignment); any
 * number from `limit` on where it is not less than that.
 */
function distance(a: string, b: string, limit: number): number {
  let beforePrevious: number[] = [];
  let leastBefore = 0;
  let previous = Array.from({ length: b.length + 1 }, (_unused, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    let least = row;
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      let best = Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1);
      if (a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        best = Math.min(best, (beforePrevious[column - 2] ?? 0) + 1);
      current.push(best);
      if (best < least) least = best;
    }
    // A row is never less than the lesser of the two before it, and a swap adds one to the first of these.
    if (least >= limit && leastBefore >= limit) return limit;
    leastBefore = least;
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? a.length;
}

/** The word of `known` that `word` was probably meant to be; undefined when none is close. */
export function suggestion(word: string, known: Iterable<string>): string | undefined {
  const lower = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    // So many letters are inserted or removed at least: a file of one word is not held against each key.
    if (Math.abs(candidate.length - lower.length) >= bestDistance) continue;
    const current = distance(lower, candidate.toLowerCase(), bestDistance);
    if (current < bestDistance) [best, bestDistance] = [candidate, current];
  }
  return best;
}

/** Turns a reader that hands pieces on into one that is asked for them, so that several files can be read side by side. */

/** Hands its pieces to `give`, one at a time, and waits for each. */
export type GivePieces = (give: (piece: Buffer) => Promise<void>) => Promise<void>;

/** What a giver meets when nobody wants more of it. */
const enough = new Error("no more pieces are wanted");

/** The pieces in order; what the giver throws is thrown behind the last of them. Ended early, the giver has ended too. */
export async function* piecesOf(giver: GivePieces): AsyncGenerator<Buffer, void, undefined> {
  let offered: Buffer | undefined;
  let outcome: { readonly error?: unknown } | undefined;
  let ended = false;
  let wake = (): void => undefined;
  let goOn = (): void => undefined;

  const running = giver(async (piece) => {
    if (ended) throw enough;
    const taken = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    offered = piece;
    wake();
    await taken;
    if (ended) throw enough;
  }).then(
    () => {
      outcome = {};
      wake();
    },
    (error: unknown) => {
      outcome = { error };
      wake();
    },
  );

  try {
    for (;;) {
      if (offered !== undefined) {
        const piece = offered;
        offered = undefined;
        goOn();
        yield piece;
      } else if (outcome !== undefined) {
        if ("error" in outcome) throw outcome.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    ended = true;
    goOn();
    await running;
  }
}

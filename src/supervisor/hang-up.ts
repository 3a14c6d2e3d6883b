/** What SIGHUP asks for: one reload at a time, and however many signals come meanwhile, one more. */

export interface HangUps {
  /** A signal came; before there is anything to reload it is remembered. */
  request(): void;
  /** The daemon has started. */
  ready(reload: () => Promise<unknown>): void;
}

/** @param failed told why a reload changed nothing */
export function createHangUps(failed: (error: unknown) => void): HangUps {
  let reload: (() => Promise<unknown>) | undefined;
  let wanted = false;
  let running = false;

  async function run(): Promise<void> {
    if (running || reload === undefined) return;
    running = true;
    while (wanted) {
      wanted = false;
      await reload().catch(failed);
    }
    running = false;
  }
  return {
    request() {
      wanted = true;
      void run();
    },
    ready(start) {
      reload = start;
      void run();
    },
  };
}

/** Brings messages to a service manager, one after the other, through a program that is started again when it is lost. */
import { encodeMessage, type ServiceMessage } from "./message.ts";
import { runOnce, startSender, type Answer, type RunningSender, type SenderOptions } from "./running-sender.ts";
import { senderPrograms, type SenderProgram } from "./sender-program.ts";

export type { SenderProgram } from "./sender-program.ts";

export interface MessageSenderOptions extends SenderOptions {
  /** Told when messages do not arrive, and once when they do again. */
  readonly complain: (message: string) => void;
  readonly programs?: readonly SenderProgram[];
}

export interface MessageSender {
  /** Resolves with whether the socket took it, when those before it have been sent. Never rejects. */
  send(message: ServiceMessage): Promise<boolean>;
  /** Whether messages wait. */
  readonly busy: boolean;
  /** Resolves when what waits has been sent, or given up, and no program is left. */
  close(): Promise<void>;
}

export function createMessageSender(options: MessageSenderOptions): MessageSender {
  const { complain, programs = senderPrograms } = options;
  let helper: RunningSender | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let trouble = "";

  async function deliver(assignments: readonly string[]): Promise<Answer> {
    const lost: string[] = [];
    if (helper !== undefined) {
      const answer = await helper.ask(assignments);
      if (answer.is !== "lost") return answer;
      lost.push(answer.why);
      helper = undefined;
    }
    for (const program of programs) {
      const started = program.stays ? startSender(program, options) : undefined;
      const answer = await (started === undefined ? runOnce(program, assignments, options) : started.ask(assignments));
      if (answer.is !== "lost") {
        helper = started;
        return answer;
      }
      lost.push(answer.why);
    }
    return { is: "lost", why: lost.join("; ") };
  }

  function tell(answer: Answer): void {
    const now = answer.is === "taken" ? "" : answer.why;
    if (now !== "" && now !== trouble) complain(`the service manager cannot be told anything: ${now}`);
    if (now === "" && trouble !== "") complain("the service manager can be told again");
    trouble = now;
  }

  return {
    send(message) {
      waiting += 1;
      const sent = turn.then(async () => {
        const answer = await deliver(encodeMessage(message));
        waiting -= 1;
        tell(answer);
        return answer.is === "taken";
      });
      turn = sent;
      return sent;
    },
    get busy() {
      return waiting > 0;
    },
    async close() {
      await turn;
      await helper?.end();
      helper = undefined;
    },
  };
}

/** Questions at a terminal, secrets without echo; where standard input is no terminal, answers are its lines. */
import type { ReadStream } from "node:tty";
import type { ErrorFactory } from "./moneta-error.ts";

/** Where answers come from and questions go. */
export interface PromptStreams {
  /** `process.stdin`. */
  readonly input: NodeJS.ReadableStream & Partial<Pick<ReadStream, "isTTY" | "setRawMode">>;
  /** Not standard output: that is for the result. */
  readonly output: { write(text: string): unknown };
}

/** What a question that gets no answer ends with; each program has its own words for it. */
export interface PromptErrors {
  readonly interrupted: ErrorFactory;
  readonly noInput: ErrorFactory;
}

export interface Prompt {
  ask(question: string): Promise<string>;
  /** The same without showing what is typed. */
  askSecret(question: string): Promise<string>;
  /** Lets go of the input, so that the process can end. */
  close(): void;
}

const limit = 16 * 1024;
const endOfText = "\u0003";
const endOfTransmission = "\u0004";

/** Creates the prompt; nothing is read before the first question. */
export function createPrompt({ input, output }: PromptStreams, errors: PromptErrors): Prompt {
  const terminal = input.isTTY === true && input.setRawMode !== undefined;
  /** What arrived and belongs to the next answer: pasted or piped text comes in one piece. */
  let pending = "";
  let ended = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;

  const onData = (piece: string | Buffer): void => {
    pending += piece.toString();
    if (pending.length > limit) ended = true;
    wake?.();
  };
  const onEnd = (): void => {
    ended = true;
    wake?.();
  };
  const onError = (error: Error): void => {
    failure = error;
    onEnd();
  };
  let listening = false;
  function listen(): void {
    if (listening) return;
    listening = true;
    input.setEncoding("utf8");
    input.on("data", onData).on("end", onEnd).on("error", onError);
  }

  /** The next line; on a terminal with the editing that raw mode leaves to us. */
  async function line(secret: boolean): Promise<string> {
    let answer = "";
    for (;;) {
      while (pending !== "") {
        const character = String.fromCodePoint(pending.codePointAt(0) ?? 0);
        pending = pending.slice(character.length);
        if (character === "\n" || character === "\r") {
          if (character === "\r" && pending.startsWith("\n")) pending = pending.slice(1);
          return answer;
        }
        if (!terminal) answer += character;
        else if (character === endOfText) throw errors.interrupted("interrupted");
        else if (character === endOfTransmission && answer === "") throw errors.noInput("the input ended");
        else if (character === "\u007f" || character === "\b") {
          const kept = [...answer].slice(0, -1).join("");
          if (!secret && kept !== answer) output.write("\b \b");
          answer = kept;
        } else if (character >= " ") {
          answer += character;
          if (!secret) output.write(character);
        }
      }
      if (ended) {
        if (answer !== "") return answer;
        throw errors.noInput("the input ended", {}, failure);
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  async function question(text: string, secret: boolean): Promise<string> {
    listen();
    // Raw mode keeps the terminal from showing the answer; before the question, or a quick answer would be seen.
    if (terminal) input.setRawMode?.(true);
    try {
      output.write(text);
      return await line(secret);
    } finally {
      if (terminal) input.setRawMode?.(false);
      output.write("\n");
    }
  }

  return {
    ask: (text) => question(text, false),
    askSecret: (text) => question(text, true),
    close: () => {
      if (!listening) return;
      input.removeListener("data", onData);
      input.removeListener("end", onEnd);
      input.removeListener("error", onError);
      input.pause();
    },
  };
}

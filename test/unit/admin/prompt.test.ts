import { PassThrough } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { adminErrors } from "../../../src/admin/errors.ts";
import { createPrompt, type Prompt } from "../../../src/common/index.ts";
import { choosePassword, type PasswordOptions } from "../../../src/admin/password-source.ts";

const modes: boolean[] = [];
let shown = "";
let prompt: Prompt | undefined;
afterEach(() => {
  prompt?.close();
  modes.length = 0;
  shown = "";
});

/** A prompt on a stream; as a terminal it notes the changes of mode. */
function open(terminal: boolean): { readonly input: PassThrough; readonly prompt: Prompt } {
  const input = new PassThrough();
  const asTerminal = Object.assign(
    input,
    terminal ? { isTTY: true as const, setRawMode: (raw: boolean) => (modes.push(raw), input as never) } : {},
  );
  prompt = createPrompt({ input: asTerminal, output: { write: (text) => (shown += text) } }, adminErrors);
  return { input, prompt };
}

describe("lines of a pipe", () => {
  test("are the answers, however they are cut", async () => {
    const { input, prompt: questions } = open(false);
    for (const piece of ["fi", "rst\nsec", "ond\r\n", "third"]) input.write(piece);
    input.end();
    expect([await questions.ask("1 "), await questions.askSecret("2 "), await questions.askSecret("3 ")]).toEqual([
      "first",
      "second",
      "third",
    ]);
    expect(shown).toBe("1 \n2 \n3 \n");
    await expect(questions.ask("4 ")).rejects.toMatchObject({ code: "ADMIN_NO_INPUT" });
  });
});

describe("a terminal", () => {
  test("shows a name and no secret, edits, and is left as it was", async () => {
    const { input, prompt: questions } = open(true);
    input.write("nümx\u007fe\r");
    expect(await questions.ask("name ")).toBe("nüme");
    expect(shown).toBe("name nümx\b \be\n");
    shown = "";
    input.write("sec🔑\u007fret\n");
    expect(await questions.askSecret("password ")).toBe("secret");
    expect(shown).toBe("password \n");
    expect(modes).toEqual([true, false, true, false]);
  });
  test("a Ctrl-C interrupts and a Ctrl-D ends, and the mode is set back", async () => {
    const { input, prompt: questions } = open(true);
    input.write("half\u0003");
    await expect(questions.askSecret("?")).rejects.toMatchObject({ code: "ADMIN_INTERRUPTED", exit: 130 });
    input.write("\u0004");
    await expect(questions.askSecret("?")).rejects.toMatchObject({ code: "ADMIN_NO_INPUT" });
    expect(modes).toEqual([true, false, true, false]);
  });
});

describe("a password comes from", () => {
  const none: PasswordOptions = { password: undefined, generate: false, length: 64, fromEnvironment: undefined };
  const choose = async (options: Partial<PasswordOptions>, typed = "") => {
    const { input, prompt: questions } = open(false);
    input.end(typed);
    return choosePassword({ ...none, ...options }, questions, "Password");
  };
  test("-P before all else", async () => {
    expect(await choose({ password: "given", fromEnvironment: "e" })).toEqual({ password: "given", generated: false });
  });
  test("-g before the environment", async () => {
    const { password, generated } = await choose({ generate: true, length: 12, fromEnvironment: "e" });
    expect(password).toHaveLength(12);
    expect(generated).toBe(true);
  });
  test("the environment before the question", async () => {
    expect(await choose({ fromEnvironment: "e" }, "typed\ntyped\n")).toEqual({ password: "e", generated: false });
  });
  test("the question, typed twice", async () => {
    expect(await choose({ fromEnvironment: "" }, "typed\ntyped\n")).toEqual({ password: "typed", generated: false });
    await expect(choose({}, "typed\ntypo\n")).rejects.toMatchObject({ code: "ADMIN_PASSWORDS_DIFFER" });
  });
  test("not from -P and -g at once", async () => {
    await expect(choose({ password: "x", generate: true })).rejects.toMatchObject({ code: "ADMIN_USAGE" });
  });
});

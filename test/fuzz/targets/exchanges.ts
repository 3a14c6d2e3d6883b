/** Conversations with a peer that is not trusted yet, and with our own children. */
import { MonetaError } from "../../../src/common/index.ts";
import { createScramClient, createScramServer, createScramSecret, formatScramSecret, parseScramSecret } from "../../../src/auth/index.ts";
import { errorRecord, fromJob, fromReceiver, toJob, toReceiver } from "../../../src/ipc/index.ts";
import { createLineSplitter } from "../../../src/supervisor/line-splitter.ts";
import { cut } from "../engine/mutate.ts";
import { mustEqual, mustHold, type FuzzTarget, type OpenTarget } from "../engine/target.ts";

const nonce = "rOprNGfwEbeRWgbNEkqO";
const serverNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

export const scramTarget: FuzzTarget = {
  name: "scram",
  cost: 8,
  async open(): Promise<OpenTarget> {
    const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
    // Few rounds: what is tried is the form of the messages.
    const secret = await createScramSecret("pencil", salt, 2);
    const server = () => createScramServer({ lookup: async (user) => (user === "user" ? secret : undefined), pretenceKey: Buffer.alloc(32, 1), nonce: serverNonce });
    const client = createScramClient({ user: "user", password: "pencil", nonce });
    const answering = server();
    const serverFirst = await answering.first("SCRAM-SHA-256", client.first());
    const clientFinal = await client.next(serverFirst);
    const { serverFinal } = answering.final(clientFinal);
    const stored = formatScramSecret(secret);
    return {
      corpus: [client.first(), serverFirst, clientFinal, serverFinal, stored].map((text) => Buffer.from(text)),
      words: ["r=", "s=", "i=", "c=biws", "p=", "v=", "e=other-error", "n,,", "y,,", "p=tls-server-end-point,,", "a=other,", "=2C", "=3D", "m="],
      async run(input) {
        const text = input.toString("utf8");
        const refusals: unknown[] = [];
        const attempt = async <T>(action: () => T | Promise<T>): Promise<T | undefined> => {
          try {
            return await action();
          } catch (error) {
            if (!(error instanceof MonetaError)) throw error;
            refusals.push(error);
            return undefined;
          }
        };
        await attempt(() => server().first("SCRAM-SHA-256", text));
        const begun = server();
        await begun.first("SCRAM-SHA-256", client.first());
        const proven = await attempt(() => begun.final(text));
        mustHold(proven === undefined || text === clientFinal, "only who knows the password is let in");
        const asking = createScramClient({ user: "user", password: "pencil", nonce });
        asking.first();
        // A peer may ask for ten million rounds; that takes its time and is bounded elsewhere.
        if (!/i=[0-9]{5}/.test(text)) await attempt(() => asking.next(text));
        const waiting = createScramClient({ user: "user", password: "pencil", nonce });
        waiting.first();
        await waiting.next(serverFirst);
        const believed = await attempt(() => {
          waiting.verify(text);
          return true;
        });
        mustHold(believed !== true || text.split(",")[0] === serverFinal, "only a server that knows the password is believed");
        const parsed = await attempt(() => parseScramSecret(text));
        if (parsed !== undefined) mustEqual(parseScramSecret(formatScramSecret(parsed)), parsed, "a secret is read as it is written");
        if (refusals.length >= 5) throw refusals[0];
        return undefined;
      },
    };
  },
};

const error = { code: "X", exit: 1, retryable: false, hint: "h", message: "m", details: { path: "/x", size: 1, gone: true, none: null } };
const delta = { writeLsn: "42" };
const messages: readonly unknown[] = [
  { type: "running" },
  { type: "state", delta },
  { type: "log", record: { time: 1, level: "info", scope: ["a"], message: "m", fields: { a: 1, b: null }, pid: 3 } },
  { type: "failed", error },
  { type: "held" },
  { type: "segment", name: "000000010000000000000003", number: 1 },
  { type: "beat" },
  { type: "drained" },
  { type: "result", result: { label: "20261120090138", notes: ["n"], facts: { plan: [{ a: [1, null, "x"] }] } } },
  { type: "archived", segments: 3, storedBytes: 9 },
  { type: "drain" },
  { type: "cancel", reason: "r" },
  { type: "server", state: delta },
  { type: "reconfigure", live: { configuration: { generation: 1 }, server: { online: true } } },
  error,
];

export const ipcTarget: FuzzTarget = {
  name: "ipc-messages",
  open: () => ({
    corpus: messages.map((message) => Buffer.from(JSON.stringify(message))),
    words: ["\"type\":", "\"delta\":{", "\"facts\":{", "\"__proto__\":{}", "[[[[[[[[", "\"flushLsn\":\"1\"", "\"error\":"],
    run(input) {
      let value: unknown;
      try {
        value = JSON.parse(input.toString("utf8"));
      } catch {
        // Node's channel would not hand it on.
        return "not JSON";
      }
      const refusals: unknown[] = [];
      let accepted = 0;
      for (const check of [toReceiver, fromReceiver, toJob, fromJob, errorRecord]) {
        try {
          const checked = check(value, "message");
          accepted += 1;
          mustEqual(JSON.stringify(check(JSON.parse(JSON.stringify(checked)), "message")), JSON.stringify(checked), "a message is the same behind another channel");
        } catch (refusal) {
          if (!(refusal instanceof MonetaError)) throw refusal;
          refusals.push(refusal);
        }
      }
      if (accepted === 0) throw refusals[0];
      return undefined;
    },
  }),
};

export const childOutputTarget: FuzzTarget = {
  name: "child-output",
  open: () => ({
    corpus: [Buffer.from("one\ntwo\n\nthree"), Buffer.from(`${"x".repeat(5000)}\nlast\n`), Buffer.from("\u00e9\u{1f600}\n")],
    words: ["\n", "\r\n"],
    run(input, random) {
      const linesOf = (pieces: readonly Buffer[]): string[] => {
        const lines: string[] = [];
        const take = createLineSplitter((line) => lines.push(line));
        for (const piece of pieces) take(piece);
        return lines;
      };
      const whole = linesOf([input]);
      const parts = linesOf(cut(input, random));
      mustHold([...whole, ...parts].every((line) => line.length <= 2000 && !line.includes("\n")), "lines are short");
      // Characters that are cut apart may show as replacements; plain text may not change.
      if (/^[\n\x20-\x7e]*$/.test(input.toString("latin1"))) mustEqual(parts, whole, "it says the same however the input is cut");
      return undefined;
    },
  }),
};

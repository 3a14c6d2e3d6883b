import { generateKeyPairSync } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createBundleRedactor, ruleNames, writeBundle, type BundlePart } from "../../../src/diagnose/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

/** The ways in which a text can be spelled in another one. */
const spellings = (secret: string): string[] => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  secret.replaceAll("'", "''"),
  encodeURIComponent(secret),
  Buffer.from(secret).toString("hex"),
];

/** In base64 with something before and behind it, as in a header of a login. */
const inBase64 = (secret: string): string[] => ["", "a", "ab", "user:"].map((before) => Buffer.from(`${before}${secret}\n`).toString("base64"));

/** What is the same of the base64 of a text wherever it begins: the digits that hold no bit of a neighbour. */
function base64Middles(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [0, 1, 2].map((before) => {
    const digits = Buffer.concat([Buffer.alloc(before), bytes, Buffer.alloc(3)]).toString("base64");
    return digits.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
  });
}

/** All that must not be in a bundle. */
const traces = (secret: string): string[] => [...spellings(secret), ...base64Middles(secret)];

const part = (name: string, text: string | undefined, more: Partial<BundlePart> = {}): BundlePart => ({ name, about: "what it is", text, remark: undefined, ...more });

/** All bytes of a bundle of these parts, unpacked. */
async function unpacked(parts: readonly BundlePart[], secrets: readonly string[]): Promise<Buffer> {
  const path = join(temporaryDirectory({ prefix: "dia" }).path, "bundle.tar.gz");
  await writeBundle(path, parts, { version: "1.2.3", made: 0, source: `the daemon at ${secrets[0] ?? ""}` }, createBundleRedactor(secrets));
  return gunzipSync(readFileSync(path));
}

const privateKey = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const keyLines = privateKey.split("\n").filter((line) => line.length > 20 && !line.startsWith("-----"));

/** What each rule is for: a text, and what of it must not be left. */
const examples: Readonly<Record<string, readonly (readonly [text: string, secret: string])[]>> = {
  "private keys": [
    [`the key is\n${privateKey}\nand more`, keyLines[3] ?? ""],
    [`{"key":"${privateKey.replaceAll("\n", "\\n")}"}`, keyLines[0] ?? ""],
    // Cut off in the middle.
    [privateKey.slice(0, 500), keyLines[2] ?? ""],
  ],
  "the end of a private key": [[`${keyLines.slice(5).join("\n")}\n-----END PRIVATE KEY-----\nmore`, keyLines.at(-1) ?? ""]],
  "lines of base64": [[keyLines.slice(2, 5).join("\n"), keyLines[3] ?? ""]],
  "headers of logins": [
    ["sent Authorization: Bearer Zx81-tok", "Zx81-tok"],
    ["Proxy-Authorization: Basic bW9uZXRhOnNlY3JldA==", "bW9uZXRhOnNlY3JldA=="],
    ["authorization=abc123", "abc123"],
  ],
  bearers: [["used the bearer Zx81-tok-99 for it", "Zx81-tok-99"]],
  assignments: [
    ["conninfo host=db password=hunter22 port=5432", "hunter22"],
    ["notify_webhook_token = tok-4711", "tok-4711"],
    [`"smtp_password": "a b c"`, "a b c"],
    ["s3_secret_access_key=AbC/dEf", "AbC/dEf"],
    ["the api-key: k-1", "k-1"],
    ["azure_shared_key = 'it is it'", "it is it"],
    ["PGPASSWORD=plain", "plain"],
    ["PGMONETA_PASSWORD='two words'", "two words"],
  ],
  options: [
    ["ran curl --token 4711-xyz", "4711-xyz"],
    ["ran tool --db-password=hunter23 -v", "hunter23"],
  ],
  "logins of addresses": [["asked https://tok-en99@hooks.example.org", "tok-en99"]],
  addresses: [
    ["POST https://hooks.example.org/services/T00/B11/XYZ: 404", "XYZ"],
    ["see http://hooks.example.org?key=abc", "abc"],
    ["https://user:pw123@hooks.example.org/x/y", "pw123"],
  ],
  verifiers: [
    ["SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY"],
    ["md5a3556571e93b0d20722ba62be61e8c2d", "a3556571e93b0d20722ba62be61e8c2d"],
  ],
  tokens: [
    ["got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.dozjgNryP4J3", "eyJzdWIiOiIxMjM0NSJ9"],
    ["key AKIAIOSFODNN7EXAMPLE of it", "AKIAIOSFODNN7EXAMPLE"],
    ["slack xoxb-123456789012-abc", "xoxb-123456789012-abc"],
    ["git ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"],
  ],
};

describe("what has the form of a secret", () => {
  const redactor = createBundleRedactor([]);

  it("has an example for each rule", () => {
    expect(Object.keys(examples).toSorted()).toEqual([...ruleNames].toSorted());
  });

  it.each(Object.entries(examples).flatMap(([rule, list]) => list.map(([text, secret]) => [rule, text, secret] as const)))(
    "%s is taken out of %j",
    (_rule, text, secret) => {
      expect(secret.length).toBeGreaterThan(2);
      expect(text.replaceAll("\\n", "\n")).toContain(secret);
      for (const clean of [redactor.text(text), redactor.json(JSON.stringify({ text }))]) {
        expect(clean).not.toContain(secret);
        expect(clean).toContain("***");
      }
    },
  );

  it("takes out no more of the text around a private key", () => {
    expect(redactor.text(`the key is\n${privateKey}and more`)).toBe("the key is\n***\nand more");
    expect(redactor.text(`one\n${privateKey}two\n${privateKey}three`)).toBe("one\n***\ntwo\n***\nthree");
    expect(redactor.text(`the rest\n-----END PRIVATE KEY-----\nand more`)).toBe("***\nand more");
  });

  it("leaves what says where a secret is, and what is none", () => {
    for (const text of [
      "notify_webhook_token = file:/etc/moneta/token",
      "notify_webhook = env:HOOK",
      "pgmoneta.conf:11: notify_webhook_token: expected the environment variable TOKEN to be set",
      `{"notify_smtp_password": null, "notify_webhook_token": "env:TOKEN"}`,
      "password_encryption = scram-sha-256",
      "primary: streaming from 0/5000100 on timeline 1",
      "/usr/lib/postgresql/15/bin/postgres: postgres (PostgreSQL) 15.18",
      "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
      "Alertmanager at http://10.0.0.7:9093",
    ]) {
      expect(redactor.text(text)).toBe(text);
      if (text.startsWith("{")) expect(redactor.json(text)).toBe(text);
    }
  });

  it("keeps JSON what it is, and figures as they stood", () => {
    const text = `{ "a": [1.50, 12345678901234567890], "conninfo": "host=x password=hunter22\\"", "notify_smtp_password": "pw", "it": {"tok\\"en": "x"} }`;
    const clean = redactor.json(text);
    expect(JSON.parse(clean)).toMatchObject({ conninfo: "host=x password=***", notify_smtp_password: "***", it: { 'tok"en': "x" } });
    expect(clean).toContain("1.50, 12345678901234567890");
    expect(clean).not.toContain("hunter22");
  });
});

/** Long enough to be none of the words of a log, with everything that quoting stumbles over. */
const secretText = fc.string({ unit: "grapheme", minLength: 10, maxLength: 40 }).filter((text) => text.trim() === text && !/[\p{Cs}\n\r\0]/u.test(text) && /\d|[^\p{L}\s]/u.test(text) && text.length >= 10);

describe("a secret that is known", () => {
  it("is in no byte of a bundle, wherever it was and however it was spelled", async () => {
    await fc.assert(
      fc.asyncProperty(secretText, secretText, async (one, other) => {
        const everywhere = [one, other].flatMap((secret) => [...spellings(secret), ...inBase64(secret)]);
        const lines = everywhere.map((text, index) => `${index}: before [${text}] behind`).join("\n");
        const document = JSON.stringify({ plain: one, list: [{ deep: other }], [one]: 1, ofLog: `password authentication failed (${one}, "${other}")`, spelled: everywhere });
        const parts = [
          part("daemon/a.txt", lines),
          part("daemon/b.json", document),
          part(`repository/x/${Buffer.from(one).toString("hex")}`, "", { about: `of ${other}`, remark: `because ${one}` }),
          part("daemon/missing.txt", undefined, { remark: `the server says "${other}"`, about: one }),
        ];
        const bytes = await unpacked(parts, [one, other]);
        expect(bytes.length).toBeGreaterThan(2048);
        for (const text of [one, other].flatMap(traces)) expect(bytes.includes(text), `${text} of ${JSON.stringify([one, other])}`).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  const word = fc.stringMatching(/^[A-Z][A-Za-z0-9]{8,24}$/);

  it("is not there in parts either where it is an address", async () => {
    await fc.assert(
      fc.asyncProperty(word, word, word, fc.stringMatching(/^[a-z]{4}[0-9][a-z0-9!]{4,10}$/), async (team, token, query, password) => {
        const url = `https://hook:${password}@hooks.example.org:8443/services/${team}/${token}?auth=${query}`;
        const bytes = await unpacked(
          [
            part("log/moneta.log", `POST /services/${team}/${token} 404\nunknown word ${token}\n${url}\nauth was ${query}\nlogin ${password}.\n`),
            part("x/a.json", JSON.stringify({ notify_webhook: url, path: `/services/${team}/${token}`, sent: query })),
          ],
          [url],
        );
        for (const secret of [token, team, query, password]) expect(bytes.includes(secret), `${secret} of ${url}`).toBe(false);
        expect(bytes.includes("404")).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("is not there where it is the content of a key file", async () => {
    const masterKey = `${Buffer.from("correct horse battery staple").toString("base64")}\n${Buffer.alloc(16, 3).toString("base64")}\n`;
    const bytes = await unpacked(
      [part("daemon/a.txt", `key ${keyLines[4] ?? ""} and ${masterKey} and line: ${masterKey.split("\n")[1] ?? ""}x, of "correct horse battery staple"\n`), part("daemon/b.json", JSON.stringify({ masterKey, privateKey }))],
      [masterKey, privateKey],
    );
    for (const line of [...keyLines, ...masterKey.trim().split("\n"), "correct horse battery staple"]) expect(bytes.includes(line), line).toBe(false);
  });

  it("stays a word where it is one of our own, so that its absence does not tell it", () => {
    const redactor = createBundleRedactor(["primary"]);
    expect(redactor.text("the primary restarted")).toBe("the primary restarted");
    expect(redactor.text("password=primary")).toBe("password=***");
  });
});

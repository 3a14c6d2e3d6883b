import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createScramClient, createScramSecret, createScramServer, formatScramSecret, parseScramSecret } from "../../../src/auth/index.ts";
import type { ChannelBinding, ScramServer } from "../../../src/auth/index.ts";

/** The exchange that RFC 7677 section 3 prints. */
const rfc = {
  clientNonce: "rOprNGfwEbeRWgbNEkqO",
  serverNonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
  salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
  clientFirst: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
  serverFirst: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
  clientFinal:
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
  serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};
const pretenceKey = Buffer.alloc(32, 7);

async function serverFor(password: string, extra: { channelBinding?: Buffer; nonce?: string } = {}): Promise<ScramServer> {
  const secret = await createScramSecret(password, Buffer.from(rfc.salt, "base64"), 4096);
  return createScramServer({ lookup: async (user) => (user === "nobody" ? undefined : secret), pretenceKey, ...extra });
}

async function exchange(server: ScramServer, user: string, password: string, channelBinding?: ChannelBinding): Promise<string> {
  const client = createScramClient({ user, password, ...(channelBinding === undefined ? {} : { channelBinding }) });
  const final = await client.next(await server.first(client.mechanism, client.first()));
  const { serverFinal, user: proven } = server.final(final);
  client.verify(serverFinal);
  return proven;
}

describe("RFC 7677's example", () => {
  test("the client says what the RFC prints, and accepts the server's signature", async () => {
    const client = createScramClient({ user: "user", password: "pencil", nonce: rfc.clientNonce });
    expect(client.first()).toBe(rfc.clientFirst);
    expect(await client.next(rfc.serverFirst)).toBe(rfc.clientFinal);
    expect(() => {
      client.verify(rfc.serverFinal);
    }).not.toThrow();
  });

  test("the server says what the RFC prints", async () => {
    const server = await serverFor("pencil", { nonce: rfc.serverNonce });
    expect(await server.first("SCRAM-SHA-256", rfc.clientFirst)).toBe(rfc.serverFirst);
    expect(server.final(rfc.clientFinal)).toEqual({ serverFinal: rfc.serverFinal, user: "user" });
  });
});

describe("client and server together", () => {
  test("any password and any name are proven, and no other password is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", minLength: 1 }), fc.string({ unit: "grapheme" }), async (password, user) => {
        fc.pre(user !== "nobody");
        expect(await exchange(await serverFor(password), user, password)).toBe(user);
        await expect(exchange(await serverFor(password), user, `${password}x`)).rejects.toMatchObject({ code: "AUTH_REJECTED" });
      }),
      { numRuns: 20 },
    );
  });

  test("composed and decomposed spellings of a password are the same password (SASLprep)", async () => {
    expect(await exchange(await serverFor("caf\u00e9 \u2168"), "a", "cafe\u0301\u00a0IX")).toBe("a");
  });

  test("channel binding is proven, and a client on another channel is refused", async () => {
    const here = Buffer.alloc(32, 1);
    const channelBinding = { kind: "bound" as const, data: here };
    expect(await exchange(await serverFor("p", { channelBinding: here }), "a", "p", channelBinding)).toBe("a");
    const elsewhere = { kind: "bound" as const, data: Buffer.alloc(32, 2) };
    const server = await serverFor("p", { channelBinding: here });
    await expect(exchange(server, "a", "p", elsewhere)).rejects.toMatchObject({ code: "AUTH_REJECTED" });
  });

  test("a client that was told there is no channel binding is refused by a server that offered it", async () => {
    const server = await serverFor("p", { channelBinding: Buffer.alloc(32, 1) });
    await expect(exchange(server, "a", "p", { kind: "server-lacks" })).rejects.toMatchObject({ code: "AUTH_REJECTED" });
  });

  test("an unknown user is refused at the end only, and gets the same salt every time", async () => {
    const first = await (await serverFor("p")).first("SCRAM-SHA-256", "n,,n=nobody,r=abc");
    const again = await (await serverFor("p")).first("SCRAM-SHA-256", "n,,n=nobody,r=abc");
    const salt = (message: string): string => message.split(",")[1] ?? "";
    expect(salt(first)).toBe(salt(again));
    expect(salt(first)).toMatch(/^s=.{24}$/);
    await expect(exchange(await serverFor("p"), "nobody", "p")).rejects.toMatchObject({ code: "AUTH_REJECTED" });
  });

  test("PostgreSQL's form of the secret is read back, and nothing else is", async () => {
    const secret = await createScramSecret("pencil", Buffer.from(rfc.salt, "base64"));
    expect(parseScramSecret(formatScramSecret(secret))).toEqual(secret);
    for (const text of ["", "md5abc", "SCRAM-SHA-256$4096:AA==$AA==:AA==", `${formatScramSecret(secret)}x`]) {
      expect(() => parseScramSecret(text)).toThrow(expect.objectContaining({ code: "AUTH_PROTOCOL" }));
    }
  });
});

describe("the client refuses a server that", () => {
  const client = () => createScramClient({ user: "user", password: "pencil", nonce: rfc.clientNonce });
  test.each([
    ["does not extend the nonce", `r=${rfc.clientNonce},s=${rfc.salt},i=4096`],
    ["changes the nonce", `r=x${rfc.clientNonce}y,s=${rfc.salt},i=4096`],
    ["sends no salt", `r=${rfc.clientNonce}x,i=4096`],
    ["sends a salt that is no base64", `r=${rfc.clientNonce}x,s=%%%%,i=4096`],
    ["asks for no iterations", `r=${rfc.clientNonce}x,s=${rfc.salt},i=0`],
    ["asks for hours of iterations", `r=${rfc.clientNonce}x,s=${rfc.salt},i=4000000000`],
    ["speaks no SCRAM", "hello"],
    ["speaks without end", `r=${rfc.clientNonce}x,s=${"A".repeat(10_000)},i=4096`],
  ])("%s", async (_what, serverFirst) => {
    await expect(client().next(serverFirst)).rejects.toMatchObject({ code: "AUTH_PROTOCOL" });
  });

  test("signs wrongly, not at all, or before it was asked", async () => {
    const begun = client();
    await begun.next(rfc.serverFirst);
    const zero = Buffer.alloc(32).toString("base64");
    expect(() => {
      begun.verify(`v=${zero}`);
    }).toThrow(expect.objectContaining({ code: "AUTH_SERVER_UNPROVEN" }));
    expect(() => {
      begun.verify("v=AAAA");
    }).toThrow(expect.objectContaining({ code: "AUTH_SERVER_UNPROVEN" }));
    expect(() => {
      begun.verify("e=other-error");
    }).toThrow(expect.objectContaining({ code: "AUTH_REJECTED" }));
    expect(() => {
      client().verify(rfc.serverFinal);
    }).toThrow(expect.objectContaining({ code: "AUTH_PROTOCOL" }));
  });

  test("asks for the proof twice", async () => {
    const begun = client();
    await begun.next(rfc.serverFirst);
    await expect(begun.next(rfc.serverFirst)).rejects.toMatchObject({ code: "AUTH_PROTOCOL" });
  });
});

describe("the server refuses", () => {
  test.each([
    ["a mechanism that was not offered", "SCRAM-SHA-1", "n,,n=a,r=abc"],
    ["binding without the mechanism for it", "SCRAM-SHA-256", "p=tls-server-end-point,,n=a,r=abc"],
    ["the rights of somebody else", "SCRAM-SHA-256", "n,a=root,n=a,r=abc"],
    ["a message without a header", "SCRAM-SHA-256", "n=a,r=abc"],
    ["a mandatory extension", "SCRAM-SHA-256", "n,,m=x,n=a,r=abc"],
    ["a nonce that cannot be printed", "SCRAM-SHA-256", "n,,n=a,r=a\u0007"],
    ["a name that is escaped wrongly", "SCRAM-SHA-256", "n,,n=a=2c,r=abc"],
  ])("%s", async (_what, mechanism, clientFirst) => {
    await expect((await serverFor("p")).first(mechanism, clientFirst)).rejects.toMatchObject({ code: "AUTH_PROTOCOL" });
  });

  test("a changed proof, nonce or binding, and a second try", async () => {
    const attempts = [
      rfc.clientFinal.replace("p=dH", "p=eH"),
      rfc.clientFinal.replace("hNlF", "hNlG"),
      rfc.clientFinal.replace("c=biws", "c=eSws"),
      rfc.clientFinal.replace(",p=", ",x=1,p="),
      rfc.clientFinal.slice(0, -8),
    ];
    for (const attempt of attempts) {
      const server = await serverFor("pencil", { nonce: rfc.serverNonce });
      await server.first("SCRAM-SHA-256", rfc.clientFirst);
      expect(() => server.final(attempt), attempt).toThrow(expect.objectContaining({ code: expect.stringMatching(/^AUTH_/) as unknown }));
      expect(() => server.final(rfc.clientFinal)).toThrow(expect.objectContaining({ code: "AUTH_PROTOCOL" }));
    }
  });

  test("messages of random text with an error of the catalogue, and nothing else", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), async (text) => {
        const server = await serverFor("p");
        await server.first("SCRAM-SHA-256", `n,,n=a,r=abc`);
        expect(() => server.final(text)).toThrow(expect.objectContaining({ name: "MonetaError" }));
      }),
      { numRuns: 50 },
    );
  });
});

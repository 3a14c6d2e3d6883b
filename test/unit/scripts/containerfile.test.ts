import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../../..");
const text = readFileSync(join(root, "Containerfile"), "utf8").replaceAll(/\\\n/g, "");
const instructions = text.split("\n").flatMap((line) => {
  const [, word, rest] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
  return word === undefined || rest === undefined ? [] : [[word, rest] as const];
});
const all = (word: string): string[] => instructions.filter(([name]) => name === word).map(([, rest]) => rest);
const ignored = readFileSync(join(root, ".containerignore"), "utf8").split("\n").filter((line) => line !== "" && !line.startsWith("#"));

describe("the container image", () => {
  it("copies what is there and is not kept from it", () => {
    const sources = all("COPY").filter((copy) => !copy.startsWith("--from=")).flatMap((copy) => copy.split(" ").filter((part) => !part.startsWith("--")).slice(0, -1));
    expect(sources).toContain("etc/container/entrypoint");
    for (const source of sources) {
      expect([source, existsSync(join(root, source))]).toEqual([source, true]);
      expect(ignored.some((name) => source === name || source.startsWith(`${name}/`))).toBe(false);
    }
    // What the build reads.
    for (const name of ["src", "scripts", "bin", "etc", "doc", "package.json", "tsconfig.json", "README.md", "CHANGELOG.md", "LICENSE"]) expect(ignored).not.toContain(name);
    expect(readFileSync(join(root, ".dockerignore"), "utf8")).toBe(readFileSync(join(root, ".containerignore"), "utf8"));
  });

  it("runs scripts that are there", () => {
    const scripts = all("RUN").flatMap((run) => [...run.matchAll(/\bnode (\S+)/g)].map(([, script]) => script ?? ""));
    expect(scripts.length).toBe(2);
    for (const script of scripts) expect([script, existsSync(join(root, script))]).toEqual([script, true]);
    expect(statSync(join(root, "etc/container/entrypoint")).mode & 0o111).toBe(0o111);
  });

  it("is nobody's but an ordinary user's, ends by the signal that the daemon knows, and says whether it is well", () => {
    const last = instructions.map(([word]) => word).lastIndexOf("USER");
    expect(instructions[last]?.[1]).toBe("moneta");
    expect(instructions.slice(last).some(([word]) => word === "RUN")).toBe(false);
    expect(all("STOPSIGNAL")).toEqual(["SIGTERM"]);
    expect(all("HEALTHCHECK")[0]).toMatch(/ CMD moneta-cli .* ping \|\| exit 1$/);
    expect(all("ENTRYPOINT")).toEqual(['["/usr/lib/moneta/container-entrypoint"]']);
    for (const volume of ["/var/lib/moneta", "/etc/pgmoneta"]) expect(all("VOLUME")[0]).toContain(volume);
  });
});

import { describe, expect, it } from "vitest";
import { parseConfigurationKey } from "../../../src/config/index.ts";

const of = (text: string) => parseConfigurationKey(text, ["primary", "db.example", "workers"]);

describe("the name of a key", () => {
  it.each([
    ["workers", "pgmoneta", "workers"],
    ["pgmoneta.workers", "pgmoneta", "workers"],
    ["pgmoneta", "pgmoneta", undefined],
    ["server.primary", "primary", undefined],
    ["server.primary.port", "primary", "port"],
    ["server.db.example", "db.example", undefined],
    ["server.db.example.port", "db.example", "port"],
    ["server.workers.workers", "workers", "workers"],
    ["server.nobody", "nobody", undefined],
  ])("%s", (text, section, key) => {
    expect(of(text)).toEqual(key === undefined ? { section } : { section, key });
  });

  it.each([
    ["worker", "did you mean workers?"],
    ["server.primary.wal_slots", "did you mean wal_slot?"],
    ["server.primary.base_dir", "there is no key base_dir in the section of a server"],
    ["pgmoneta.wal_slot", "there is no key wal_slot in [pgmoneta]"],
    ["constructor", "there is no key constructor"],
  ])("%s is none: %s", (text, message) => {
    expect(() => of(text)).toThrow(expect.objectContaining({ code: "CONFIGURATION_KEY_UNKNOWN", message: expect.stringContaining(message) as string }));
  });
});

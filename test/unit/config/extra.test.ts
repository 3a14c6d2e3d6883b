import { expect, test } from "vitest";
import { extraPaths } from "../../../src/config/value-kinds-extra.ts";

test("extra is a list of absolute paths, each once", () => {
  expect(extraPaths.parse("/etc/postgresql/ , /etc//hosts")).toEqual({ ok: true, value: ["/etc/postgresql", "/etc/hosts"] });
  expect(extraPaths.parse("/a/../b")).toEqual({ ok: true, value: ["/b"] });
});

test.each(["", "etc/hosts", "/a,", "/", "/a, /a/", "/proc/cpuinfo", "/a/../sys/kernel", "/dev/sda", Array.from({ length: 65 }, (_, n) => `/f${n}`).join()])("%s is none", (text) => {
  expect(extraPaths.parse(text).ok).toBe(false);
});

test("the devices of the host are refused by their directories alone", () => {
  expect(extraPaths.parse("/devices, /system, /process").ok).toBe(true);
});

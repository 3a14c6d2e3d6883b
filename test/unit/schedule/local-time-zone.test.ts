/** The machine's time zone: what is known without Intl is what Intl says, and nothing else is taken for UTC. */
import { execFileSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { isTimeZone, localTimeZone } from "../../../src/schedule/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const before = process.env["TZ"];

afterEach(() => {
  if (before === undefined) delete process.env["TZ"];
  else process.env["TZ"] = before;
});

function linkTo(target: string): string {
  const link = join(temporaryDirectory().path, "localtime");
  symlinkSync(target, link);
  return link;
}

describe("the time zone of this machine", () => {
  test.each(["/usr/share/zoneinfo/Etc/UTC", "/usr/share/zoneinfo/UTC", "../usr/share/zoneinfo/Zulu"])("a link to %s is UTC", (target) => {
    process.env["TZ"] = "Asia/Tokyo";
    // Intl would say Tokyo: it was not asked.
    expect(localTimeZone({}, linkTo(target))).toBe("UTC");
  });

  test.each(["/usr/share/zoneinfo/Europe/Berlin", "/usr/share/zoneinfo/Etc/GMT+5", "/somewhere/UTC"])("a link to %s is not: Intl is asked", (target) => {
    process.env["TZ"] = "Asia/Tokyo";
    expect(localTimeZone({}, linkTo(target))).toBe("Asia/Tokyo");
  });

  test("neither is a zone file without a link, nor no file at all", () => {
    process.env["TZ"] = "Asia/Tokyo";
    const copy = join(temporaryDirectory().path, "localtime");
    expect(localTimeZone({}, copy)).toBe("Asia/Tokyo");
    writeFileSync(copy, "TZif2");
    expect(localTimeZone({}, copy)).toBe("Asia/Tokyo");
  });

  test.each([":UTC", "Etc/UTC", "", "Europe/Berlin", "No/Such", "CET-1CEST"])("TZ=%o comes before the link, and gives a zone that there is", (TZ) => {
    process.env["TZ"] = TZ;
    const zone = localTimeZone({ TZ }, linkTo("/usr/share/zoneinfo/Asia/Tokyo"));
    expect(isTimeZone(zone)).toBe(true);
    if (!TZ.includes("/Berlin")) expect(zone).not.toBe("Asia/Tokyo");
    else expect(zone).toBe(TZ);
  });

  test("what is called UTC here has no offset for the system either", () => {
    for (const name of ["UTC", "UCT", "Universal", "Zulu", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu"]) {
      expect(execFileSync("date", ["-d", "2024-07-01", "+%z"], { env: { ...process.env, TZ: name }, encoding: "utf8" }).trim()).toBe("+0000");
    }
  });
});

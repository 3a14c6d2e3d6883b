import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { createLogger } from "../../../src/log/index.ts";
import { createNotifier, type Alarm, type Notification, type Notifier, type NotifierMemory, type Target } from "../../../src/notify/index.ts";
import { waitFor } from "../../support/wait-for.ts";

const alarm = (key: string): Alarm => ({ key, server: "primary", code: key, category: "failed", message: `${key} is wrong`, hint: "h" });
const silent = createLogger(["test"], "fatal", () => undefined);

/** A target that takes or refuses as it is told. */
function scripted(name = "notify_webhook"): Target & { readonly got: Notification[]; attempts: number; takes: boolean } {
  const self = {
    name,
    got: [] as Notification[],
    attempts: 0,
    takes: true,
    async send(notification: Notification) {
      self.attempts += 1;
      if (!self.takes) throw new Error("refused by the test");
      self.got.push(notification);
    },
  };
  return self;
}

interface World {
  readonly notifier: Notifier;
  memory: NotifierMemory;
}

function world(targets: readonly Target[], memory: NotifierMemory = { known: [], pending: {} }, categories: readonly Alarm["category"][] = ["failed", "recovered"]): World {
  const self: World = {
    memory,
    notifier: createNotifier({
      targets,
      categories,
      delayMs: 0,
      clock: systemClock,
      logger: silent,
      memory,
      remember: async (state) => {
        self.memory = JSON.parse(JSON.stringify(state)) as NotifierMemory;
      },
      waits: { firstMs: 5, maxMs: 20 },
    }),
  };
  return self;
}

const kinds = (target: { readonly got: readonly Notification[] }): string[] => target.got.map(({ kind, code }) => `${kind} ${code}`);

describe("notifications", () => {
  it("are told once to every target, however often somebody looks", async () => {
    const [one, two] = [scripted("notify_webhook"), scripted("notify_email")];
    const { notifier } = world([one, two]);
    for (let look = 0; look < 5; look += 1) notifier.look({ alarms: [alarm("A"), alarm("B")] });
    await waitFor("both have both", () => one.got.length === 2 && two.got.length === 2);
    expect(one.got).toEqual(two.got);
    await notifier.close();
  });

  it("are tried again until the target takes them, in their order, and others do not wait for it (H08: without a restart)", async () => {
    const [stubborn, ready] = [scripted("notify_webhook"), scripted("notify_email")];
    stubborn.takes = false;
    const { notifier } = world([stubborn, ready]);
    notifier.look({ alarms: [alarm("A")] });
    notifier.happened(alarm("B"));
    await waitFor("it was tried several times", () => stubborn.attempts > 3);
    expect(kinds(ready)).toEqual(["firing A", "firing B"]);
    expect(notifier.failing).toMatchObject([{ target: "notify_webhook", pending: 2 }]);
    stubborn.takes = true;
    await waitFor("it has them", () => stubborn.got.length === 2);
    expect(kinds(stubborn)).toEqual(["firing A", "firing B"]);
    expect(notifier.failing).toEqual([]);
    await notifier.close();
  });

  it("survive a restart: what was told is not told again, what waits is delivered, and the end is told", async () => {
    const before = scripted();
    before.takes = false;
    const first = world([before]);
    first.notifier.look({ alarms: [alarm("A")] });
    await waitFor("it waits", () => first.memory.pending["notify_webhook"]?.length === 1);
    await first.notifier.close();

    const after = scripted();
    const second = world([after], first.memory);
    second.notifier.look({ alarms: [alarm("A")] });
    await waitFor("it is delivered", () => after.got.length === 1);
    second.notifier.look({ alarms: [alarm("A")] });
    await second.notifier.close();
    expect(kinds(after)).toEqual(["firing A"]);
    expect(after.got[0]?.id).toBe(first.memory.pending["notify_webhook"]?.[0]?.id);
    await waitFor("the list is empty", () => second.memory.pending["notify_webhook"]?.length === 0);
  });

  it("are bounded: the oldest is given up, and the next that is delivered says so", async () => {
    const target = scripted();
    target.takes = false;
    const { notifier } = world([target]);
    for (let count = 0; count < 203; count += 1) notifier.happened(alarm(`A${count}`));
    expect(notifier.failing.every(({ pending }) => pending <= 200)).toBe(true);
    await waitFor("it was tried", () => notifier.failing.length === 1);
    expect(notifier.failing[0]?.pending).toBe(200);
    target.takes = true;
    await waitFor("it has them", () => target.got.length === 200);
    expect(target.got[0]?.message).toContain("3 notifications before this one were given up");
    expect(target.got[1]?.message).not.toContain("given up");
    expect(target.got.at(-1)?.code).toBe("A202");
    await notifier.close();
  });

  it("about what nobody wants to hear of are not told, nor is its end", async () => {
    const target = scripted();
    const { notifier } = world([target], undefined, ["gap"]);
    notifier.look({ alarms: [alarm("A")] });
    notifier.happened({ ...alarm("B"), category: "gap" });
    await waitFor("the other one is told", () => target.got.length === 1);
    expect(kinds(target)).toEqual(["firing B"]);
    await notifier.close();
  });

  it("go elsewhere after a change of the configuration, and what waits for a target that stays goes on waiting", async () => {
    const stubborn = scripted();
    stubborn.takes = false;
    const { notifier } = world([stubborn, scripted("notify_email")]);
    notifier.look({ alarms: [alarm("A")] });
    await waitFor("it was tried", () => stubborn.attempts > 0);
    const [next, other] = [scripted(), scripted("notify_slack")];
    notifier.update({ targets: [next, other], categories: ["failed"], delayMs: 0 });
    await waitFor("the new one has it", () => next.got.length === 1);
    expect(other.got).toEqual([]);
    const tries = stubborn.attempts;
    notifier.happened(alarm("B"));
    await waitFor("both have the next one", () => next.got.length === 2 && other.got.length === 1);
    expect(stubborn.attempts).toBe(tries);
    await notifier.close();
  });

  it("can be tried, and say of each target whether it took the test", async () => {
    const [good, bad] = [scripted("notify_email"), scripted("notify_slack")];
    bad.takes = false;
    const { notifier } = world([good, bad]);
    expect(await notifier.test()).toMatchObject([{ target: "notify_email", error: undefined }, { target: "notify_slack", error: { message: "refused by the test" } }]);
    expect(kinds(good)).toEqual(["test NOTIFY_TEST"]);
    await notifier.close();
  });
});

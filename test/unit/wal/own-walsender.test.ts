import { expect, it } from "vitest";
import { silentLogger } from "../../../src/log/index.ts";
import { createOwnWalsender } from "../../../src/wal/own-walsender.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";

const repository = eachTestHasARepository();
const recorded = async (): Promise<unknown> => JSON.parse(await repository.text("primary/walsender.json"));
const own = (): ReturnType<typeof createOwnWalsender> => createOwnWalsender(repository.storage, "primary", silentLogger);

it("remembers the server's processes over a kill of this one, the last sixteen of them", async () => {
  const first = own();
  await first.remember(100);
  await first.remember(101);
  await first.remember(100);
  expect(await recorded()).toEqual({ version: 1, pids: [101, 100] });
  const second = own();
  await second.remember(102);
  expect(await recorded()).toEqual({ version: 1, pids: [101, 100, 102] });
  for (let pid = 200; pid < 220; pid++) await second.remember(pid);
  expect(await recorded()).toEqual({ version: 1, pids: Array.from({ length: 16 }, (_, i) => 204 + i) });
});

it.each(["", "{", "[]", '{"pids":5}', '{"version":1,"pids":["1",-4,0,1.5,null]}'])("begins anew when the record is %s", async (content) => {
  await repository.put("primary/walsender.json", content);
  await own().remember(7);
  expect(await recorded()).toEqual({ version: 1, pids: [7] });
});

it("does not fail when it cannot be written", async () => {
  await repository.put("primary/walsender.json/in-the-way", "");
  await own().remember(7);
});

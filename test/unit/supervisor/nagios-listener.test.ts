import { createServer } from "node:net";
import { afterEach, expect, it } from "vitest";
import type { CheckReport, OverallStatus } from "../../../src/check/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { createNagiosListener, type NagiosListener } from "../../../src/supervisor/nagios-listener.ts";
import type { SupervisedServer } from "../../../src/supervisor/server.ts";
import { freePort } from "../../support/free-port.ts";

const report = (server: string, status: OverallStatus): CheckReport => ({
  server,
  at: 0,
  status,
  figures: [],
  results: [{ code: "WAL_GAPS", status: status === "ok" ? "ok" : status, message: `${server} is ${status}`, ignored: false }],
});

let open: NagiosListener | undefined;
afterEach(async () => {
  await open?.close();
});

function listener(states: Readonly<Record<string, OverallStatus | "throws">>): NagiosListener {
  open = createNagiosListener({
    servers: () => Object.keys(states).map((name) => ({ name }) as SupervisedServer),
    checks: {
      check: async ({ name }) => {
        const state = states[name];
        if (state === undefined || state === "throws") throw new Error("it was killed");
        return report(name, state);
      },
    },
    logger: silentLogger,
  });
  return open;
}

async function get(port: number, path: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

it("says in its HTTP status what the checks came to, and of all servers the worst first", async () => {
  const port = await freePort();
  await listener({ good: "ok", odd: "warning", bad: "critical", lost: "throws", "with space": "ok" }).update({ host: "127.0.0.1", port });
  expect(await get(port, "/good")).toEqual({ status: 200, text: "MONETA OK - good: 1 checks\n" });
  expect((await get(port, "/check/odd?x=1")).status).toBe(417);
  expect((await get(port, "/bad")).status).toBe(503);
  expect(await get(port, "/lost")).toEqual({ status: 500, text: "MONETA UNKNOWN - lost: it could not be checked: it was killed\n" });
  expect((await get(port, "/with%20space")).status).toBe(200);
  expect((await get(port, "/nobody")).status).toBe(404);
  expect((await get(port, "/%ff")).status).toBe(404);
  const all = await get(port, "/");
  expect(all.status).toBe(503);
  expect(all.text.split("\n").slice(0, 2)).toEqual(["MONETA CRITICAL - 5 servers: 1 critical, 1 warning, 1 unknown, 2 ok", "MONETA CRITICAL - bad: WAL_GAPS: bad is critical"]);
});

it("moves to another port, stops, and stays where it is when the other port is taken", async () => {
  const [first, second] = [await freePort(), await freePort()];
  const nagios = listener({ good: "ok" });
  await nagios.update({ host: "127.0.0.1", port: first });
  await nagios.update({ host: "127.0.0.1", port: first });
  await nagios.update({ host: "127.0.0.1", port: second });
  expect((await get(second, "/good")).status).toBe(200);
  await expect(get(first, "/good")).rejects.toThrow();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(first, "127.0.0.1", resolve));
  await expect(nagios.update({ host: "127.0.0.1", port: first })).rejects.toMatchObject({ code: "NAGIOS_PORT" });
  expect((await get(second, "/good")).status).toBe(200);
  // What is only made ready changes nothing for who asks.
  const third = await freePort();
  const prepared = await nagios.prepare({ host: "127.0.0.1", port: third });
  expect((await fetch(`http://127.0.0.1:${second}/`)).status).toBe(200);
  await prepared.abandon();
  await expect(fetch(`http://127.0.0.1:${third}/`)).rejects.toThrow();
  await nagios.update({ host: "127.0.0.1", port: 0 });
  await expect(get(second, "/good")).rejects.toThrow();
  other.close();
});

/** When something runs by itself: cron expressions, blackout windows, missed runs. Nothing here waits or starts; only the zone of the machine is looked up. */
export { cronProblem, isTimeZone } from "./cron.ts";
export { localTimeZone } from "./local-time-zone.ts";
export { blackoutAt, formatBlackout, parseBlackout, type BlackoutWindow } from "./blackout.ts";
export { longestDistance, nextRuns, planRuns, type DueRun, type Plan, type PlannedRun, type Schedule } from "./plan.ts";

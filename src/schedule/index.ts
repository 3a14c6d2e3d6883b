/** When something runs by itself: cron expressions, blackout windows, missed runs. Pure: nothing here waits or starts. */
export { cronProblem, isTimeZone } from "./cron.ts";
export { localTimeZone } from "./local-time-zone.ts";
export { blackoutAt, formatBlackout, parseBlackout, type BlackoutWindow } from "./blackout.ts";
export { longestDistance, nextRuns, planRuns, type DueRun, type Plan, type PlannedRun, type Schedule } from "./plan.ts";

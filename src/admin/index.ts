export { createProgram, type GivenOptions } from "./program.ts";

/** Reading answers; every client of the daemon does it the same way. */
export { textIn, numberIn, flagIn, objectsIn, textsIn, lsnIn, timeIn } from "../management/index.ts";

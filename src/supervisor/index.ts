/** The daemon is a program (`main.ts`); other folders see its errors, and the documents its command line. */
export { supervisorErrors } from "./errors.ts";
export { createProgram as createDaemonProgram } from "./options.ts";

import { defineErrors } from "../common/index.ts";

/** What can be wrong with a tar archive. */
export const tarErrors = defineErrors({
  /** Not the dialect that PostgreSQL writes, or damaged. */
  malformed: {
    code: "TAR_MALFORMED",
    exit: 75,
    retryable: true,
    hint: "The archive is damaged or was cut on its way: take the backup again.",
  },
  /** A name that would leave the directory, or a kind of file that no cluster contains. */
  refused: {
    code: "TAR_ENTRY_REFUSED",
    exit: 76,
    retryable: false,
    hint: "No PostgreSQL server sends such an entry: find out what Moneta is connected to.",
  },
});

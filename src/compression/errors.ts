import { defineErrors } from "../common/index.ts";

/** What can go wrong between plain bytes and compressed ones. */
export const compressionErrors = defineErrors({
  /** A native or WebAssembly library is not installed or does not load. */
  libraryMissing: {
    code: "COMPRESSION_LIBRARY_MISSING",
    exit: 60,
    retryable: false,
    hint: "Install the package that the message names (npm install), or configure another compression.",
  },
  /** A library loads but does not do what it promises: ignores the level, does not round-trip, accepts cut input. */
  selfTestFailed: {
    code: "COMPRESSION_SELF_TEST_FAILED",
    exit: 61,
    retryable: false,
    hint: "Install the version of the compression package that the lock file names, or configure another compression.",
  },
  /** A level outside the range of its method. */
  levelInvalid: {
    code: "COMPRESSION_LEVEL_INVALID",
    exit: 62,
    retryable: false,
    hint: "Set compression_level to a value in the range that the message names.",
  },
  /** A library refused to compress. */
  failed: {
    code: "COMPRESSION_FAILED",
    exit: 63,
    retryable: true,
    hint: "Look for a shortage of memory; if it repeats, configure another compression and report the defect.",
  },
  /** Compressed bytes that are cut, changed, extended, or not of this format at all. */
  damaged: {
    code: "COMPRESSED_DATA_DAMAGED",
    exit: 64,
    retryable: false,
    hint: "The stored file is not what was written: check the storage and use another backup.",
  },
  /** Legal data that this program cannot decode in bounded memory without a further tool. */
  decoderMissing: {
    code: "DECOMPRESSION_TOOL_MISSING",
    exit: 65,
    retryable: false,
    hint: "Install the command that the message names, or run Node.js 22.15 or newer. A frame whose window is too large has to be written anew with a smaller one (zstd -dc --memory=2048MB old | zstd -3 > new).",
  },
  /** A message that would grow beyond the limit its reader has set. */
  messageTooLarge: {
    code: "COMPRESSED_MESSAGE_TOO_LARGE",
    exit: 66,
    retryable: false,
    hint: "The peer sent a message larger than the protocol allows: check that it is a Moneta or pgmoneta client.",
  },
});

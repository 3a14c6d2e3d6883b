/**
 * A conversion of one file in place, as a procedure: judge the name, open the file, write its new form beside it, read
 * that back, give it its name, and only then remove the file. Whatever fails before leaves the file as it was and nothing
 * beside it; a file that is changed while its new form gets its name stays beside it.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { createOutputFile, messageOf, throwIfAborted, type OutputFile } from "../common/index.ts";
import { createMessageSealer, LONGEST_MESSAGE } from "../encryption/index.ts";
import { createPipeline, pipelineErrors, readStoredFile, type RandomReader } from "../pipeline/index.ts";
import { attempting } from "./attempt.ts";
import type { ConversionProgress, Converted, ConvertOptions } from "./convert-options.ts";
import { convertErrors } from "./errors.ts";
import { compressionOf, destinationOf } from "./names.ts";
import { openSource, readerOf, watched, type SourceFile } from "./source-file.ts";

const STEP = 1024 * 1024;
const MEMORY = 32 * 1024 * 1024;

/** What must be found when the result is read back. */
interface Written {
  /** SHA-256 of the result's own bytes. */
  readonly storedDigest: string;
  /** Of the bytes that it was made of, where it can be turned back. */
  readonly plainDigest?: string;
  readonly size: number;
}

/** Converts. Throws the errors of this folder, those of the formats, and TARGET_EXISTS. */
export async function convert(options: ConvertOptions, signal: AbortSignal): Promise<Converted> {
  const { file } = options;
  const destination = destinationOf(options);
  const source = await openSource(file, options.repository);
  try {
    refuseTooLarge(options, source);
    const output = await attempting("create", destination, () => createOutputFile(destination));
    try {
      const { size } = source;
      const tell = (phase: ConversionProgress["phase"], done: number): void =>
        options.onProgress?.({ phase, done: Math.round(done), total: 2 * size, temporary: output.temporary });
      tell("convert", 0);
      const written = await writeResult(options, watched(source, (share) => tell("convert", share * size)), output, signal);
      await attempting("describe", destination, () => output.describe(source.mode, source.modifiedMs));
      await readBack(options, output, written, (share) => tell("read back", size + share * size), signal);
      // What takes long comes before the question whether the file is still the same.
      await attempting("write", destination, () => output.sync());
      await source.requireUnchanged();
      throwIfAborted(signal);
      await attempting("write", destination, () => output.publish());
      // From here on the result is there, whatever becomes of the rest: of a file that was changed meanwhile both stay.
      await source.requireUnchanged();
      await source.remove();
      return { destination, sourceSize: source.size, size: written.size };
    } finally {
      await attempting("remove", output.temporary, () => output.discard());
    }
  } finally {
    await source.close();
  }
}

function refuseTooLarge({ conversion, file }: ConvertOptions, { size }: SourceFile): void {
  if (conversion !== "encrypt" || size <= LONGEST_MESSAGE) return;
  throw convertErrors.tooLarge(
    `"${file}" has ${size} bytes; at most ${LONGEST_MESSAGE} can be encrypted in this form`,
    { path: file, size },
  );
}

async function writeResult(
  options: ConvertOptions,
  source: SourceFile,
  output: OutputFile,
  signal: AbortSignal,
): Promise<Written> {
  switch (options.conversion) {
    case "compress":
      return compress(options, source, output, signal);
    case "encrypt":
      return encrypt(options, source, output, signal);
    default:
      return decode(options, source, output, signal);
  }
}

const append = (output: OutputFile, piece: Uint8Array): Promise<void> =>
  attempting("write", output.path, () => output.write(piece), piece.length);

/** All bytes of a file in order. */
async function* piecesOf(source: RandomReader, signal: AbortSignal): AsyncGenerator<Buffer> {
  for (let at = 0; at < source.size;) {
    throwIfAborted(signal);
    const piece = await attempting("read", source.name, () => source.read(at, Math.min(STEP, source.size - at)));
    if (piece.length === 0)
      throw convertErrors.changed(`"${source.name}" became shorter while it was read`, { path: source.name });
    at += piece.length;
    yield piece;
  }
}

async function compress(
  { compression, level, workers }: ConvertOptions,
  source: SourceFile,
  output: OutputFile,
  signal: AbortSignal,
): Promise<Written> {
  const spec = { compression, level, encryption: "none" } as const;
  const pipeline = await createPipeline({ spec, hash: "sha256", memoryBytes: MEMORY, concurrency: workers });
  try {
    const sink = {
      write: (piece: Uint8Array) => append(output, piece),
      close: async () => undefined,
      abort: async () => undefined,
    };
    const stored = pipeline.openFile(sink, { sizeHint: source.size });
    // What was read is far ahead of what is compressed: whoever cancels does not want to wait for that.
    const giveUp = (): void => void stored.abort();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      for await (const piece of piecesOf(source, signal)) {
        throwIfAborted(pipeline.signal);
        await stored.write(piece);
      }
      const { plainDigest, storedDigest, storedSize } = await stored.finish();
      return { plainDigest, storedDigest, size: storedSize };
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    await pipeline.close();
  }
}

async function encrypt(
  { cipher, masterKey }: ConvertOptions,
  source: SourceFile,
  output: OutputFile,
  signal: AbortSignal,
): Promise<Written> {
  const sealer = createMessageSealer(await masterKey(), cipher);
  const plain = createHash("sha256");
  const stored = createHash("sha256");
  let size = 0;
  const put = async (piece: Buffer): Promise<void> => {
    stored.update(piece);
    size += piece.length;
    await append(output, piece);
  };
  await put(sealer.header());
  for await (const piece of piecesOf(source, signal)) {
    plain.update(piece);
    await put(sealer.update(piece));
  }
  await put(sealer.finish());
  return { plainDigest: plain.digest("hex"), storedDigest: stored.digest("hex"), size };
}

/** Decompresses or decrypts. What is not proven yet lies in a file without a name of its own. */
async function decode(
  options: ConvertOptions,
  source: SourceFile,
  output: OutputFile,
  signal: AbortSignal,
): Promise<Written> {
  const encrypted = options.conversion === "decrypt";
  const compression = encrypted ? "none" : (compressionOf(options.file) ?? "none");
  const hash = createHash("sha256");
  let size = 0;
  const keys = encrypted ? await options.keys() : undefined;
  const how = {
    source,
    format: { compression, encrypted },
    keys,
    likelyMode: options.cipher,
    hash: "sha256",
    concurrency: options.workers,
    signal,
  } as const;
  try {
    await readStoredFile(how, async (piece) => {
      hash.update(piece);
      size += piece.length;
      await append(output, piece);
    });
  } catch (error) {
    if (!pipelineErrors.damaged.is(error)) throw error;
    throw convertErrors.damaged(messageOf(error), { path: options.file }, error);
  }
  return { storedDigest: hash.digest("hex"), size };
}

/** Reads what was written as a later reader would. */
async function readBack(
  options: ConvertOptions,
  output: OutputFile,
  written: Written,
  onRead: (share: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { conversion, compression, cipher, masterKey, workers } = options;
  const { storedDigest, plainDigest, size } = written;
  const handle = await attempting("open", output.temporary, () => open(output.temporary, constants.O_RDONLY));
  try {
    const source = watched(readerOf(handle, output.path, (await handle.stat()).size), onRead);
    const encrypted = conversion === "encrypt";
    const keys = encrypted ? Object.assign(() => undefined, { master: await masterKey() }) : undefined;
    const format = { compression: conversion === "compress" ? compression : ("none" as const), encrypted };
    const expected = { storedSize: size, storedDigest, ...(plainDigest === undefined ? {} : { plainDigest }) };
    await readStoredFile(
      { source, format, keys, messageMode: cipher, hash: "sha256", expected, concurrency: workers, signal },
      async () => undefined,
    );
  } catch (error) {
    throwIfAborted(signal);
    throw convertErrors.unproven(
      `what was written of "${options.file}" does not read back as it was written`,
      { path: options.file },
      error,
    );
  } finally {
    await handle.close();
  }
}

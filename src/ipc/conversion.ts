/** The messages between the supervisor and the process that converts one file. */
import { count, number, object, oneOf, optional, text, variants, type Check } from "./check.ts";
import { cancelMessage, errorRecord, logMessage, type Cancel, type Failed, type Log } from "./messages.ts";

export interface ConversionStart {
  readonly type: "start";
  readonly title?: string;
  readonly conversion: "compress" | "decompress" | "encrypt" | "decrypt";
  /** Absolute. */
  readonly file: string;
  readonly compression: "none" | "gzip" | "zstd" | "lz4" | "bzip2";
  readonly compressionLevel: number;
  readonly encryption: "none" | "aes-256-gcm" | "aes-192-gcm" | "aes-128-gcm";
  /** Root of the repository. */
  readonly baseDir: string;
  /** Master key material, base64. */
  readonly masterKey?: string;
}
export type ToConverter = ConversionStart | Cancel;

/** The new file is there, durable and proven, and the one that was named is gone. */
export interface ConversionDone {
  readonly type: "converted";
  readonly destination: string;
  /** Bytes before and after. */
  readonly sourceSize: number;
  readonly size: number;
}
/** How far it is, a few times a second; the first one comes before anything is written. */
export interface ConversionProgressed {
  readonly type: "progress";
  readonly phase: "convert" | "read back";
  /** Bytes; `total` is twice the size of the file, which is read once and then read back. */
  readonly done: number;
  readonly total: number;
  /** What it writes; to be removed when the process is killed. */
  readonly temporary: string;
}
export type FromConverter = ConversionDone | ConversionProgressed | Failed | Log;

export const toConverter: Check<ToConverter> = variants<"type", ToConverter>("type", {
  start: object<ConversionStart>({
    type: () => "start",
    title: optional(text),
    conversion: oneOf("compress", "decompress", "encrypt", "decrypt"),
    file: text,
    compression: oneOf("none", "gzip", "zstd", "lz4", "bzip2"),
    compressionLevel: number,
    encryption: oneOf("none", "aes-256-gcm", "aes-192-gcm", "aes-128-gcm"),
    baseDir: text,
    masterKey: optional(text),
  }),
  cancel: cancelMessage,
});

export const fromConverter: Check<FromConverter> = variants<"type", FromConverter>("type", {
  progress: object<ConversionProgressed>({ type: () => "progress", phase: oneOf("convert", "read back"), done: count, total: count, temporary: text }),
  converted: object<ConversionDone>({ type: () => "converted", destination: text, sourceSize: count, size: count }),
  failed: object<Failed>({ type: () => "failed", error: errorRecord }),
  log: logMessage,
});

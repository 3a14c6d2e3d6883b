/** The messages between the supervisor and the process that converts one file. */
import { count, number, object, oneOf, optional, text, variants, type Check } from "./check.ts";
import { errorRecord, logMessage, type Failed, type Log } from "./messages.ts";

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
export type ToConverter = ConversionStart;

/** The new file is there, durable and proven, and the one that was named is gone. */
export interface ConversionDone {
  readonly type: "converted";
  readonly destination: string;
  /** Bytes before and after. */
  readonly sourceSize: number;
  readonly size: number;
}
export type FromConverter = ConversionDone | Failed | Log;

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
});

export const fromConverter: Check<FromConverter> = variants<"type", FromConverter>("type", {
  converted: object<ConversionDone>({ type: () => "converted", destination: text, sourceSize: count, size: count }),
  failed: object<Failed>({ type: () => "failed", error: errorRecord }),
  log: logMessage,
});

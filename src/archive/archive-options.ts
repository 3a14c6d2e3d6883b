/** What an archive is made of, and what it tells. */
import type { DataKey } from "../encryption/index.ts";
import type { Logger } from "../log/index.ts";
import type { PipelineSpec } from "../pipeline/index.ts";
import type { TarOwner } from "../tar/index.ts";

/** Takes the members of a cluster in the order in which they are given. */
export interface MemberSink {
  directory(path: string, mode: number): Promise<void>;
  link(path: string, target: string): Promise<void>;
  /** `fill` gives exactly `size` bytes, unless it throws. */
  file(
    path: string,
    mode: number,
    size: number,
    fill: (write: (piece: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<void>;
}

/** A restored cluster as a stream: what a restore would write, checked byte for byte while it is given. */
export interface ArchivedCluster {
  readonly label: string;
  /** Milliseconds since 1970; the time that the members get. */
  readonly endTime: number;
  /** Plain bytes that `write` gives, about. */
  readonly bytes: number;
  write(
    sink: MemberSink,
    written: (bytes: number) => void,
  ): Promise<{ readonly files: number; readonly bytes: number }>;
}

export interface ArchiveOptions {
  readonly server: string;
  /** Where the archive shall lie; absolute, made if it is not there. */
  readonly directory: string;
  readonly spec: PipelineSpec;
  /** Required when the specification encrypts. */
  readonly dataKey: DataKey | undefined;
  /** Bound for data in flight. */
  readonly memoryBytes: number;
  /** Chunks in compression at the same time, at least 1. */
  readonly workers: number;
  /** Of the members. */
  readonly owner: TarOwner;
}

export interface ArchiveProgress {
  /** Plain bytes. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface ArchiveDependencies {
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Plans the restore that the archive holds, and throws what speaks against it. */
  readonly openCluster: () => Promise<ArchivedCluster>;
  readonly progress: (progress: ArchiveProgress) => void;
}

export interface ArchiveResult {
  /** Absolute path of the archive. */
  readonly file: string;
  readonly label: string;
  /** Members that are files. */
  readonly files: number;
  /** Plain bytes of the files. */
  readonly bytes: number;
  /** Bytes of the archive. */
  readonly size: number;
}

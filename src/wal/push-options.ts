/** What `pushWal` takes and gives. */
import type { Clock } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { HashAlgorithm, PipelineSpec } from "../pipeline/index.ts";
import type { WalPushStore } from "../repository/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import type { ArchiverKeys } from "./archiver.ts";

export interface WalPush {
  readonly server: string;
  readonly storage: LocalStorage;
  /** As PostgreSQL calls the file: `%f`. */
  readonly name: string;
  /** The bytes of the file. */
  readonly content: AsyncIterable<Uint8Array>;
  readonly spec: PipelineSpec;
  /** Data keys of the server; required when the specification encrypts. */
  readonly keys?: ArchiverKeys | undefined;
  readonly hash: HashAlgorithm;
  readonly workers: number;
  readonly memoryBytes: number;
}

export interface WalPushDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** `stored`: it is there now. `same`: it was there before, with this content. */
export type PushedWal = "stored" | "same";

/** What the parts of this operation share. */
export interface Pushing extends WalPush, WalPushDependencies {
  readonly pushes: WalPushStore;
}

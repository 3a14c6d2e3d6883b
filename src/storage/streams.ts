/** How bytes go into a storage and come out of it. */

/** Takes the bytes of one file. */
export interface ByteSink {
  /** Takes one piece; the piece may be reused once the promise is fulfilled. Pieces are written in the order of the calls. */
  write(chunk: Uint8Array): Promise<void>;
  /** Ends the file. Rejects if any write before failed, also when that was reported already. */
  close(): Promise<void>;
  /** Gives the file up. */
  abort(): Promise<void>;
}

export interface CommitOptions {
  /** Replace what lies under the name; without it that is TARGET_EXISTS. */
  readonly replace?: boolean;
}

/** One file of its own: nothing is visible before `commit`, everything is durable after it. */
export interface DurableSink extends ByteSink {
  /** Path under which the bytes lie until `commit`: what was written and closed can be read back there. */
  readonly temporaryPath: string;
  /** Ends the file if `close` was not called, then gives it its name. */
  commit(options?: CommitOptions): Promise<void>;
}

/** A stored file opened for reading anywhere in it. */
export interface RandomReader {
  /** Bytes at the time of opening. */
  readonly size: number;
  /** Path for messages. */
  readonly name: string;
  /**
   * `length` bytes from `offset`, or those up to `size` where that comes first. STORAGE_FILE_SHRANK when the file no
   * longer has them. Calls may overlap. `into` has room for `length` bytes and may be used for them: who reads block
   * after block leaves less behind for the garbage collector, which frees no faster than it is asked to.
   */
  read(offset: number, length: number, into?: Buffer): Promise<Buffer>;
  close(): Promise<void>;
}

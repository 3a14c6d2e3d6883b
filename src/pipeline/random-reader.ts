/** Reading a stored file by range; storage drivers give one. */
export interface RandomReader {
  /** Bytes of the stored file. */
  readonly size: number;
  /** Name or path as errors show it. */
  readonly name: string;
  /** Exactly these bytes; fewer only where the file ends. `into` has room for them and may be used. */
  read(offset: number, length: number, into?: Buffer): Promise<Buffer>;
  close(): Promise<void>;
}

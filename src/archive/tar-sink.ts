/** The members of a cluster as blocks of a tar archive. */
import { pathToBytes } from "../postgres/index.ts";
import { tarEnd, tarHeader, tarPadding, type TarOwner } from "../tar/index.ts";
import type { MemberSink } from "./archive-options.ts";
import { archiveErrors } from "./errors.ts";

export interface TarSink extends MemberSink {
  /** Ends the archive. */
  finish(): Promise<void>;
}

/** `put` takes the bytes of the archive in order; `modifiedMs` is the time of all members. */
export function createTarSink(put: (bytes: Uint8Array) => Promise<void>, owner: TarOwner, modifiedMs: number): TarSink {
  const modified = Math.floor(modifiedMs / 1000);
  const begin = (
    path: string,
    kind: "file" | "directory" | "symlink",
    mode: number,
    size: number,
    target?: string,
  ): Promise<void> => {
    const linkTarget = target === undefined ? undefined : pathToBytes(target);
    return put(tarHeader({ path: pathToBytes(path), kind, mode, size, modified, linkTarget, owner }));
  };
  return {
    directory: (path, mode) => begin(path, "directory", mode, 0),
    link: (path, target) => begin(path, "symlink", 0o777, 0, target),
    async file(path, mode, size, fill) {
      await begin(path, "file", mode, size);
      let left = size;
      const refuse = (): never => {
        throw archiveErrors.inconsistent(`${path} does not have the ${size} bytes that are recorded of it`, { path });
      };
      await fill(async (piece) => {
        left -= piece.length;
        if (left < 0) refuse();
        await put(piece);
      });
      if (left > 0) refuse();
      await put(tarPadding(size));
    },
    finish: () => put(tarEnd()),
  };
}

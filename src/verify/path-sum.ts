/** A sum over pairs of path and digest in which their order does not count: two lists of a million files in 24 bytes. */
import { hash } from "node:crypto";
import { pathToBytes } from "../postgres/index.ts";

export interface PathSum {
  add(path: string, digest: string): void;
  /** Equal for equal lists; for others, once in 2^96. */
  readonly value: string;
}

const limbs = 3;

export function createPathSum(): PathSum {
  const sum = new Uint32Array(limbs);
  let count = 0;
  return {
    add(path, digest) {
      const bytes = hash("sha256", Buffer.concat([pathToBytes(path), Buffer.from(`\0${digest}`, "latin1")]), "buffer");
      for (let limb = 0; limb < limbs; limb += 1) sum[limb] = ((sum[limb] ?? 0) + bytes.readUInt32LE(limb * 4)) >>> 0;
      count += 1;
    },
    get value() {
      return `${count}:${[...sum].join(",")}`;
    },
  };
}

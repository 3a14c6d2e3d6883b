/** Keys for inputs: always the same ones, so that an input means the same in every run. */
import type { DataKey, MasterKey } from "../../../src/encryption/index.ts";

export const createMasterKeySample = (): MasterKey => ({ material: Buffer.alloc(64, 0x4d) });

export const sampleDataKey: DataKey = { id: "5".repeat(32), secret: Buffer.alloc(32, 0x44) };

export const keyRing = (id: string): DataKey | undefined => (id === sampleDataKey.id ? sampleDataKey : undefined);

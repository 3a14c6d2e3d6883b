/**
 * Which PostgreSQL cluster the WAL of a server belongs to: `identity.json`. Written when the first byte is received,
 * compared at every connection after that: WAL of another cluster must never end up beside it.
 */
import { isSegmentSize } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import { repositoryErrors } from "./errors.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { isText, type JsonObject, parseObject } from "./json-shape.ts";
import { serverLayout, type ServerLayout } from "./layout.ts";

export interface ServerIdentity {
  /** `system_identifier` of pg_control, decimal. */
  readonly systemIdentifier: string;
  /** Bytes of a WAL segment, fixed by initdb. */
  readonly segmentSize: number;
}

export interface ServerIdentityStore {
  /** Undefined before the first WAL came. Throws SERVER_IDENTITY_DAMAGED. */
  read(): Promise<ServerIdentity | undefined>;
  /** Records it durably. */
  write(identity: ServerIdentity): Promise<void>;
}

const largestFile = 64 * 1024;

function firstVersion(document: JsonObject | undefined): JsonObject | undefined {
  return document?.version === 1 ? document : undefined;
}

export function openServerIdentity(storage: Storage, of: string | ServerLayout): ServerIdentityStore {
  const layout = typeof of === "string" ? serverLayout(of) : of;
  const path = layout.identity;
  return {
    async read() {
      const facts = await storage.stat(path);
      if (facts === undefined) return undefined;
      const text = facts.size > largestFile ? "" : (await storage.readFile(path, largestFile)).toString("utf8");
      // The first version had no checksum.
      const document = parseChecked(text) ?? firstVersion(parseObject(text));
      const { version, systemIdentifier, segmentSize } = document ?? {};
      const sound =
        (version === 1 || version === 2) &&
        isText(systemIdentifier) &&
        /^[0-9]{1,20}$/.test(systemIdentifier) &&
        typeof segmentSize === "number" &&
        isSegmentSize(segmentSize);
      if (!sound) throw repositoryErrors.identityDamaged(`"${path}" does not name a PostgreSQL cluster`, { path });
      return { systemIdentifier, segmentSize };
    },
    async write({ systemIdentifier, segmentSize }) {
      await storage.makeDirectory(layout.place);
      await storage.replaceFile(path, `${formatChecked({ version: 2, systemIdentifier, segmentSize })}\n`);
    },
  };
}

/** All errors of the project: the tables in `src/<folder>/errors.ts`, by folder. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { unexpectedError, type ErrorSpec } from "../../src/common/index.ts";

export interface FolderErrors {
  readonly folder: string;
  readonly errors: readonly ErrorSpec[];
}

const source = join(import.meta.dirname, "../../src");

function specsOf(module: Readonly<Record<string, unknown>>): ErrorSpec[] {
  const tables = Object.values(module).filter((value) => typeof value === "object" && value !== null);
  return tables.flatMap((table) =>
    Object.values(table as Readonly<Record<string, { readonly spec: ErrorSpec }>>).map(({ spec }) => spec),
  );
}

async function readCatalogue(): Promise<readonly FolderErrors[]> {
  const folders = readdirSync(source).filter((folder) => existsSync(join(source, folder, "errors.ts")));
  return Promise.all(
    folders.toSorted().map(async (folder) => {
      const url = pathToFileURL(join(source, folder, "errors.ts")).href;
      const errors = specsOf((await import(url)) as Readonly<Record<string, unknown>>);
      return { folder, errors: folder === "common" ? [...errors, unexpectedError] : errors };
    }),
  );
}

/** In the order of the folders' names. */
export const errorCatalogue: readonly FolderErrors[] = await readCatalogue();

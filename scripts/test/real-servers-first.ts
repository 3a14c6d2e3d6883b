import { statSync } from "node:fs";
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The longest run first, as far as a folder can tell: what starts daemons, what starts servers, what starts nothing. */
const folders = ["test/root/", "test/system/", "test/integration/", "test/interop/", "test/conformance/", "test/unit/"];

/**
 * Vitest's sequencer knows no durations in a fresh tree and takes large files first, whatever they do: then a few that
 * wait for servers are left to the end, with nothing to run beside them.
 */
export class RealServersFirst extends BaseSequencer {
  override sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const path = relative(process.cwd(), moduleId);
      return folders.findIndex((folder) => path.startsWith(folder));
    };
    const size = ({ moduleId }: TestSpecification): number => statSync(moduleId).size;
    // What shares a process stands together: one that does not would end it.
    const isolated = ({ project }: TestSpecification): number => Number(!project.config.isolate);
    return Promise.resolve([...specifications].sort((a, b) => place(a) - place(b) || isolated(a) - isolated(b) || size(b) - size(a)));
  }
}

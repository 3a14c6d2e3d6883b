/** Step 3: the configuration: a new file, or a section more in the one that is there. */
import { createConfigurationFile, editConfigurationFile } from "../../config/index.ts";
import { adminErrors } from "../errors.ts";
import { differences, extendedConfiguration, hasSection, newConfiguration, readDocument } from "./configuration-text.ts";
import type { InitContext } from "./context.ts";
import { pgCtlOf } from "./programs-here.ts";

/** Throws `ADMIN_INIT_CONFLICT` for a section of that name which says something else. */
export async function configure(context: InitContext, major: number): Promise<void> {
  const { ledger, local, speech, surroundings, wanted } = context;
  const { environment, signal } = surroundings;
  speech.heading("3. The configuration");
  if (local.document === undefined) {
    // Drills run by themselves only where they can.
    const drills = (await pgCtlOf(major, environment, signal)) !== undefined;
    const text = newConfiguration(local.main, wanted, drills, environment);
    await createConfigurationFile(local.main, text, false);
    ledger.add(`the configuration ${local.main}`);
    speech.mark("done", `wrote ${local.main}`);
    return;
  }
  if (hasSection(local.document, wanted.server)) {
    refuseDifferences(context);
    speech.mark("ok", `${local.main} has the section [${wanted.server}]`);
    return;
  }
  await editConfigurationFile(local.main, (text) => {
    // Read again: somebody may have added it meanwhile.
    if (hasSection(readDocument(local.main, text), wanted.server)) throw conflict(context, "the section was added by somebody else meanwhile");
    return extendedConfiguration(local.main, text, wanted, environment);
  });
  ledger.add(`the section [${wanted.server}] in ${local.main}`);
  speech.mark("done", `added the section [${wanted.server}] to ${local.main}; everything else in it stays as it is`);
}

/** Before anything is made for it. */
export function refuseDifferences(context: InitContext): void {
  const { local, wanted } = context;
  if (local.document === undefined || !hasSection(local.document, wanted.server)) return;
  const found = differences(local.document, wanted);
  if (found.length > 0) throw conflict(context, found.join(", "));
}

function conflict({ local, wanted }: InitContext, what: string) {
  return adminErrors.initConflict(`${local.main} has a section [${wanted.server}] that says something else: ${what}`, { path: local.main, server: wanted.server });
}

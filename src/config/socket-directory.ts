/** What a pgmoneta.conf with mistakes in it still says to those who only want to reach the daemon that runs. */
import { compileContext, readConfigurationFile } from "./load.ts";
import { locateFiles, type FileLocations } from "./locate-files.ts";

/**
 * `unix_socket_dir` of the main file, whatever else is wrong in there: the daemon works on with what it read before, and whoever
 * changed the file asks it to read it again. Undefined where the file does not set it, or not rightly.
 *
 * @throws MonetaError as `loadConfiguration`, but never `CONFIGURATION_INVALID`
 */
export async function socketDirectoryIn(locations: FileLocations): Promise<string | undefined> {
  const { compileMain } = await import("./compile-main.ts");
  const { main: file } = locateFiles(locations);
  const { main } = compileMain(readConfigurationFile(file), compileContext(file, locations.environment, true));
  const found = main?.compiled.entries.has("unix_socket_dir") === true ? main.compiled.values.get("unix_socket_dir") : undefined;
  return typeof found === "string" ? found : undefined;
}

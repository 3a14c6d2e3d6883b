#!/usr/bin/env node
/**
 * Lays out an installation below a directory: what a package or a container image has, and nothing else.
 *
 *   npm run package:tree -- --to <directory>
 *
 * The programs are built first if they are not. Native code is that of this machine.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { ensureBuilt } from "../setup/build.mjs";
import { commandOptions } from "../setup/command-options.mjs";
import { copyrightFile } from "./copyright.mjs";
import { packagesToInstall } from "./modules.mjs";

const place = "usr/lib/moneta";
const documents = "usr/share/doc/moneta";

/** The names under which the programs are called. */
export const programNames = (root) => readdirSync(join(root, "bin")).filter((name) => name !== "package.json");

/** Files of the last build: an earlier one is kept beside it for programs that run. */
function builtFiles(root) {
  const addresses = readdirSync(join(root, "dist"), { recursive: true }).filter((name) => /^[a-z]+\/[a-z0-9-]+\.js$/.test(name) && !name.startsWith("programs/"));
  const programs = addresses.map((address) => /start\("([^"]+)"\)/.exec(readFileSync(join(root, "dist", address), "utf8"))?.[1]).filter((name) => name !== undefined);
  const code = programs.map((name) => `${name}.code`).filter((name) => existsSync(join(root, "dist/programs", name)));
  return ["package.json", ...addresses, ...[...programs, ...code].map((name) => `programs/${name}`)];
}

/** Not wanted where nothing is compiled. */
const isForDevelopers = (path) => /\.(d\.[cm]?ts|map|ts|npmignore)$/.test(path) || /\/(test|tests|__tests__|\.github)$/.test(path);

/**
 * @param {string} root  of the project, built
 * @param {string} to  a directory that is empty or missing
 */
export function layOut(root, to) {
  const write = (path, content, mode = 0o644) => {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    writeFileSync(join(to, path), content);
    chmodSync(join(to, path), mode);
  };
  const copy = (from, path, mode) => write(path, readFileSync(join(root, from)), mode);
  const compressed = (content, path) => write(path, gzipSync(content, { level: 9 }));
  const copyTree = (from, path, filter = () => true) => cpSync(join(root, from), join(to, path), { recursive: true, dereference: true, filter });

  for (const file of builtFiles(root)) copy(`dist/${file}`, `${place}/dist/${file}`);
  const { name, version, description, license, type, engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  write(`${place}/package.json`, `${JSON.stringify({ name, version, description, license, private: true, type, engines }, null, 2)}\n`);
  copy("bin/package.json", `${place}/bin/package.json`);
  for (const program of programNames(root)) {
    // The Node of the package that this one depends on, whatever else is in somebody's PATH.
    write(`${place}/bin/${program}`, readFileSync(join(root, "bin", program), "utf8").replace("#!/usr/bin/env node", "#!/usr/bin/node"), 0o755);
    mkdirSync(join(to, "usr/bin"), { recursive: true });
    symlinkSync(`../lib/moneta/bin/${program}`, join(to, "usr/bin", program));
  }
  for (const path of packagesToInstall(root)) {
    copyTree(path, `${place}/${path}`, (from) => !isForDevelopers(from) && (from === join(root, path) || basename(from) !== "node_modules"));
  }

  copy("etc/systemd/moneta.service", "usr/lib/systemd/system/moneta.service");
  copy("etc/completion/moneta-cli.bash", "usr/share/bash-completion/completions/moneta-cli");
  copy("etc/completion/_moneta-cli", "usr/share/zsh/vendor-completions/_moneta-cli");
  copy("etc/completion/moneta-cli.fish", "usr/share/fish/vendor_completions.d/moneta-cli.fish");
  copyTree("etc/prometheus", "usr/share/moneta/prometheus");
  copyTree("etc/grafana", "usr/share/moneta/grafana");
  for (const page of readdirSync(join(root, "doc/man"))) {
    compressed(readFileSync(join(root, "doc/man", page)), `usr/share/man/man${page.at(-1)}/${page}.gz`);
  }
  // Beside each other as in the project, so that links between them lead somewhere.
  copy("README.md", `${documents}/README.md`);
  for (const entry of readdirSync(join(root, "doc"))) if (entry !== "man") copyTree(`doc/${entry}`, `${documents}/doc/${entry}`);
  copy("etc/pgmoneta.conf", `${documents}/examples/pgmoneta.conf`);
  compressed(readFileSync(join(root, "CHANGELOG.md")), `${documents}/changelog.gz`);
  write(`${documents}/copyright`, copyrightFile(root));
  evenOut(to);
  return { version };
}

/** Whatever umask and modes the sources had: readable by all, changed by nobody but root. */
function evenOut(to) {
  for (const entry of readdirSync(to, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const isProgram = path.startsWith(`${join(to, place, "bin")}/`) && entry.name !== "package.json";
    chmodSync(path, entry.isDirectory() || isProgram ? 0o755 : 0o644);
  }
}

/** Builds the programs if they are not those of the sources; throws what is wrong with these. */
export async function build(root) {
  const complaints = await ensureBuilt(root);
  if (complaints !== "") throw new Error(complaints);
}

if (process.argv[1] === import.meta.filename) {
  const root = join(import.meta.dirname, "../..");
  const usage = "npm run package:tree -- --to <directory>   an installation below a directory that is empty or missing";
  const { to } = commandOptions({ to: undefined }, usage);
  if (to === undefined || (existsSync(to) && readdirSync(to).length > 0)) {
    console.error(to === undefined ? usage : `${to} is not empty`);
    process.exit(2);
  }
  await build(root);
  layOut(root, to);
  console.log(`Moneta is laid out in ${to}`);
}

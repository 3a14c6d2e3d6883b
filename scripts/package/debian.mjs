/** What makes an installation a Debian package: control fields, maintainer scripts, conffiles, changelog, digests. */
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import { dirname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";

/** Debian's names of the machines that the native packages are built for. */
const architectures = { x64: "amd64", arm64: "arm64" };

export function architecture() {
  const name = architectures[arch()];
  if (name === undefined) throw new Error(`there is no Debian package for ${arch()}: packages with native code are built for ${Object.keys(architectures).join(" and ")}`);
  return name;
}

const longDescription = `Streams WAL of PostgreSQL 13 to 18, takes base backups, compresses, encrypts
 and checks them, and restores a server to any moment. A replacement for
 pgmoneta 0.22: the same configuration, commands, protocol and repository.
 .
 Node.js 20.19 or later is needed, and Debian 12 has 18. Debian 13 has it; for
 Debian 12 take the package nodejs of a repository that has a later one, as
 /usr/share/doc/moneta/doc/manual/installation.md describes.
 .
 The daemon is not started by the installation, and backups are not removed
 with the package.`;

/** The control file. `installedKilobytes` is what the files take. */
export function controlFile({ version, maintainer, installedKilobytes }) {
  return `${[
    "Package: moneta",
    `Version: ${version}`,
    `Architecture: ${architecture()}`,
    `Maintainer: ${maintainer}`,
    `Installed-Size: ${installedKilobytes}`,
    // The C library of the native packages is older than any Debian that has this Node; util-linux and bsdutils are essential.
    "Depends: nodejs (>= 20.19), libc6 (>= 2.28), libgcc-s1, adduser",
    "Recommends: postgresql-client-15 | postgresql-client-16 | postgresql-client-17 | postgresql-client, zstd, lz4",
    "Suggests: postgresql, prometheus",
    // Both would be the daemon of /etc/pgmoneta, and bring its manual page.
    "Conflicts: pgmoneta",
    "Section: database",
    "Priority: optional",
    "Description: backup and WAL archiving server for PostgreSQL",
    ` ${longDescription}`,
  ].join("\n")}\n`;
}

/** Who the package is of: Debian's own variables, else nobody who could be written to. */
export function maintainerOf({ DEBEMAIL, DEBFULLNAME }) {
  return `${DEBFULLNAME ?? "Moneta developers"} <${DEBEMAIL ?? "moneta@localhost"}>`;
}

const changelogFile = ({ version, maintainer, date }) => `moneta (${version}) unstable; urgency=medium

  * Built from the sources; what is new for whoever uses it is in changelog.gz.

 -- ${maintainer}  ${date.toUTCString().replace("GMT", "+0000")}
`;

const below = (directory) =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

/** Adds to the installation in `to` what the package manager wants. */
export function addDebianParts(root, to, { version, maintainer, date }) {
  const from = join(root, "scripts/package/debian");
  const put = (path, content, mode = 0o644) => {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    writeFileSync(join(to, path), content);
    chmodSync(join(to, path), mode);
  };
  put("etc/pgmoneta/pgmoneta.conf.sample", readFileSync(join(root, "etc/pgmoneta.conf")));
  put("usr/lib/sysusers.d/moneta.conf", readFileSync(join(from, "moneta.sysusers")));
  put("usr/share/doc/moneta/changelog.Debian.gz", gzipSync(changelogFile({ version, maintainer, date }), { level: 9 }));
  put("usr/share/lintian/overrides/moneta", readFileSync(join(from, "lintian-overrides")));
  const files = below(to);
  const installedKilobytes = files.reduce((sum, path) => sum + Math.ceil(statSync(path).size / 1024), 0);
  put("DEBIAN/md5sums", files.filter((path) => !relative(to, path).startsWith("etc/")).map((path) => `${createHash("md5").update(readFileSync(path)).digest("hex")}  ${relative(to, path)}\n`).join(""));
  put("DEBIAN/conffiles", "/etc/pgmoneta/pgmoneta.conf.sample\n");
  put("DEBIAN/control", controlFile({ version, maintainer, installedKilobytes }));
  for (const script of ["postinst", "prerm", "postrm"]) {
    copyFileSync(join(from, script), join(to, "DEBIAN", script));
    chmodSync(join(to, "DEBIAN", script), 0o755);
  }
}

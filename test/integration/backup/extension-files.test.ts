/**
 * `extra` by the functions of pgmoneta_ext. The extension itself, which is written in C, is not to be had here: one of the same
 * name, with functions of the same signatures and answers in PL/pgSQL, is created in a real server by CREATE EXTENSION, in both
 * forms that it had (an array of paths, and rows). That the compiled one answers so is known from its sources, not from a run.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { requires } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { giveToUnprivileged } from "../../support/unprivileged-user.ts";
import { extract, failureOf, openHouse, type House } from "./house.ts";

/** 18 is the first that finds extensions in a directory of their own. */
const { describe, it } = requires("postgres-18");

let cluster: Cluster;
let house: House;
let host: string;
const small = Buffer.from([0, 1, 2, 253, 254, 255, 10, 92, 39]);
const large = Buffer.alloc(5 * 1024 * 1024 + 17, "0123456789abcde");

/** What both forms share: who is answered, and a trace of it in the server's log. */
const shared = (may: string): string => `
CREATE FUNCTION pgmoneta_ext_get_file(file_path text) RETURNS text LANGUAGE plpgsql STRICT SECURITY DEFINER AS $$
BEGIN
  IF NOT (${may}) THEN
    RAISE LOG 'pgmoneta_ext_get_file: Current role is not a superuser';
    RETURN NULL;
  END IF;
  RAISE LOG 'extension reads %', file_path;
  RETURN replace(encode(pg_read_binary_file(file_path), 'base64'), E'\\n', '');
END $$;
REVOKE ALL ON FUNCTION pgmoneta_ext_get_file(text) FROM PUBLIC;
CREATE FUNCTION public.pgmoneta_ext_walk(directory text) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  entry text;
BEGIN
  FOR entry IN SELECT directory || '/' || f FROM pg_ls_dir(directory) f LOOP
    IF (pg_stat_file(entry)).isdir THEN RETURN QUERY SELECT public.pgmoneta_ext_walk(entry);
    ELSE RETURN NEXT entry;
    END IF;
  END LOOP;
EXCEPTION WHEN insufficient_privilege OR undefined_file THEN
  RETURN;
END $$;`;

const isSuperuser = "(SELECT rolsuper FROM pg_roles WHERE rolname = session_user)";

/** 0.1.0: the paths of all files below a directory as an array; a file is itself. */
const arrays = `${shared(isSuperuser)}
CREATE FUNCTION pgmoneta_ext_get_files(file_path text) RETURNS text[] LANGUAGE plpgsql STRICT SECURITY DEFINER AS $$
BEGIN
  IF NOT ${isSuperuser} THEN RETURN NULL; END IF;
  IF NOT (pg_stat_file(file_path)).isdir THEN RETURN ARRAY[file_path]; END IF;
  RETURN ARRAY(SELECT public.pgmoneta_ext_walk(file_path));
END $$;
REVOKE ALL ON FUNCTION pgmoneta_ext_get_files(text) FROM PUBLIC;`;

/** 0.2.0: rows; and one of which nobody knows whom it will answer, here whoever may read files of the server. */
const mayRead = `${isSuperuser} OR pg_has_role(session_user, 'pg_read_server_files', 'USAGE')`;
const rows = `${shared(mayRead)}
CREATE FUNCTION pgmoneta_ext_get_files(file_path text, OUT name text, OUT is_dir boolean, OUT size bigint) RETURNS SETOF record
LANGUAGE plpgsql STRICT SECURITY DEFINER AS $$
BEGIN
  IF NOT (${mayRead}) THEN RETURN; END IF;
  IF NOT (pg_stat_file(file_path)).isdir THEN
    RETURN QUERY SELECT file_path, false, (pg_stat_file(file_path)).size;
    RETURN;
  END IF;
  RETURN QUERY SELECT file_path || '/' || f, s.isdir, s.size FROM pg_ls_dir(file_path) f, pg_stat_file(file_path || '/' || f) s;
END $$;
REVOKE ALL ON FUNCTION pgmoneta_ext_get_files(text) FROM PUBLIC;`;

async function install(version: string): Promise<void> {
  await cluster.sql(`DROP EXTENSION IF EXISTS pgmoneta_ext; CREATE EXTENSION pgmoneta_ext VERSION '${version}'`);
  await cluster.sql("GRANT EXECUTE ON FUNCTION pgmoneta_ext_get_file(text), pgmoneta_ext_get_files(text) TO reader");
}

/** What the extension was asked for since; its probe aside. */
function read(from: number): string[] {
  const lines = [...cluster.log().slice(from).matchAll(/extension reads (.*)$/gm)].map(([, path = ""]) => path);
  return [...new Set(lines)].filter((path) => path !== "PG_VERSION").sort();
}

beforeAll(async () => {
  const share = temporaryDirectory({ unprivileged: true }).path;
  mkdirSync(join(share, "extension"));
  writeFileSync(join(share, "extension", "pgmoneta_ext.control"), "comment = 'the SQL surface'\ndefault_version = '0.1.0'\nrelocatable = true\n");
  writeFileSync(join(share, "extension", "pgmoneta_ext--0.1.0.sql"), arrays);
  writeFileSync(join(share, "extension", "pgmoneta_ext--0.2.0.sql"), rows);
  host = temporaryDirectory({ unprivileged: true }).path;
  mkdirSync(join(host, "etc", "conf.d", "deep"), { recursive: true });
  mkdirSync(join(host, "etc", "empty"));
  writeFileSync(join(host, "etc", "a 'quoted' ü.conf"), small);
  writeFileSync(join(host, "etc", "conf.d", "deep", "nothing"), "");
  writeFileSync(join(host, "etc", "large.bin"), large);
  mkdirSync(join(host, "etc", "shut"));
  giveToUnprivileged(share);
  giveToUnprivileged(host);
  cluster = await createCluster({ major: 18, settings: { extension_control_path: `$system:${share}` } });
  await cluster.sql("CREATE ROLE reader LOGIN REPLICATION");
  await cluster.sql("GRANT pg_read_all_settings TO reader");
  house = await openHouse(cluster, { connect: { user: "reader" } });
});

afterAll(async () => {
  await house?.close();
  await cluster?.destroy();
});

describe("extra files where pgmoneta_ext is installed", () => {
  it("come through it for a role that it serves, and what it leaves out does not go unsaid", async () => {
    await install("0.1.0");
    await cluster.sql("ALTER ROLE reader SUPERUSER");
    const from = cluster.log().length;
    const { info, warnings } = await house.backup({ extra: [join(host, "etc")] });
    expect(warnings).toEqual([]);
    expect(info.extra).toBe(join(host, "etc"));
    const plain = join(await extract(house, info), "extra", host, "etc");
    expect(readFileSync(join(plain, "a 'quoted' ü.conf"))).toEqual(small);
    expect(readFileSync(join(plain, "conf.d", "deep", "nothing"))).toEqual(Buffer.alloc(0));
    expect(readFileSync(join(plain, "large.bin")).equals(large)).toBe(true);
    // The extension lists files alone.
    expect(existsSync(join(plain, "empty"))).toBe(true);
    // A large file goes by the function that reads a part of it.
    expect(read(from)).toEqual([join(host, "etc", "a 'quoted' ü.conf"), join(host, "etc", "conf.d", "deep", "nothing")]);
    chmodSync(join(host, "etc", "shut"), 0);
    const shut = await house.backup({ extra: [join(host, "etc")] });
    chmodSync(join(host, "etc", "shut"), 0o700);
    expect(shut.warnings.join()).toMatch(/lacks \(a part of\) the extra path ".*etc": .*shut: .*Permission denied/);
  });

  it("need the rights on the server's own functions where it gives the role nothing", async () => {
    await cluster.sql("ALTER ROLE reader NOSUPERUSER");
    const failure = await failureOf(house.backup({ extra: [join(host, "etc")] }));
    expect(failure.code).toBe("BACKUP_PREREQUISITE_MISSING");
    expect(failure.message).toContain('GRANT pg_read_server_files TO "reader";');
  });

  it("need no others where it serves the role, and the answer says what its list of a directory is worth", async () => {
    await install("0.2.0");
    await cluster.sql("GRANT pg_read_server_files TO reader");
    const from = cluster.log().length;
    const { info, warnings } = await house.backup({ extra: [join(host, "etc"), join(host, "etc", "large.bin"), join(host, "nowhere")] });
    expect([info.extra, warnings]).toEqual([`${join(host, "etc")},${join(host, "etc", "large.bin")}`, [expect.any(String), expect.any(String)]]);
    expect(warnings.join("\n")).toMatch(/"[^"]*\/etc" is stored as pgmoneta_ext lists it, .* GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_file/);
    expect(warnings.join("\n")).toMatch(/lacks \(a part of\) the extra path "[^"]*nowhere"/);
    const plain = join(await extract(house, info), "extra", host, "etc");
    expect(readFileSync(join(plain, "a 'quoted' ü.conf"))).toEqual(small);
    expect(readFileSync(join(plain, "large.bin")).equals(large)).toBe(true);
    expect(existsSync(join(plain, "conf.d", "deep", "nothing"))).toBe(true);
    expect(read(from)).toContain(join(host, "etc", "large.bin"));
  });

  it("are not read by a function of that name that is no part of it", async () => {
    await cluster.sql("DROP EXTENSION pgmoneta_ext");
    for (const result of ["get_file(text) RETURNS text", "get_files(text) RETURNS text[]"]) {
      await cluster.sql(`CREATE FUNCTION pgmoneta_ext_${result} LANGUAGE plpgsql AS 'BEGIN RAISE LOG ''extension reads a trap''; RETURN NULL; END'`);
    }
    const from = cluster.log().length;
    expect((await failureOf(house.backup({ extra: [join(host, "etc")] }))).message).toContain("GRANT EXECUTE ON FUNCTION");
    expect(read(from)).toEqual([]);
  });
});

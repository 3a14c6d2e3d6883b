import { describe, expect, test } from "vitest";
import { clientTable, mainTable, serverTable, type AnyOption, type OptionTable } from "../../../src/config/index.ts";

/** The 68 keys of the main section of pgmoneta 0.22, the one that only its manual has, and the one of debug builds. */
const mainKeysOfPgmoneta =
  `host unix_socket_dir base_dir metrics metrics_cache_max_age metrics_cache_max_size metrics_cert_file
  metrics_key_file metrics_ca_file nagios console management tls tls_cert_file tls_key_file tls_ca_file blocking_timeout
  keep_alive nodelay non_blocking backlog libev hugepage pidfile update_process_title compression compression_level encryption
  workers workspace storage_engine create_slot max_rate progress retention retention_interval verification direct_io link
  log_type log_level log_path log_rotation_size log_rotation_age log_line_prefix log_mode ssh_hostname ssh_username ssh_base_dir
  ssh_port ssh_ciphers ssh_public_key_file ssh_private_key_file s3_endpoint s3_port s3_use_tls s3_storage_class s3_region
  s3_access_key_id s3_secret_access_key s3_bucket s3_base_dir azure_storage_account azure_container azure_shared_key
  azure_base_dir azure_endpoint azure_port azure_use_tls authentication_timeout`.split(/\s+/);

const serverKeysOfPgmoneta = `host port user wal_slot create_slot follow retention wal_shipping workspace hot_standby
  hot_standby_overrides hot_standby_tablespaces workers max_rate progress tls_cert_file tls_key_file tls_ca_file extra
  s3_storage_class s3_port s3_use_tls s3_endpoint s3_region s3_access_key_id s3_secret_access_key s3_bucket s3_base_dir`.split(
  /\s+/,
);

/** The ten of its client, `output` as its manual spells it, and the three log keys that only the manual has. */
const clientKeysOfPgmoneta =
  `host port unix_socket_dir compression encryption output log_type log_level log_path log_mode
  log_rotation_age log_rotation_size log_line_prefix`.split(/\s+/);

const keysOf = (table: OptionTable, ours: boolean): string[] =>
  Object.entries(table)
    .filter(([, option]) => (option.ours === true) === ours)
    .map(([key]) => key)
    .toSorted();

test.each([
  ["main section", mainTable, mainKeysOfPgmoneta, 70],
  ["server sections", serverTable, serverKeysOfPgmoneta, 28],
  ["client", clientTable, clientKeysOfPgmoneta, 13],
] as const)("the keys of the %s are pgmoneta's, and what is more is marked as ours", (_name, table, keys, count) => {
  expect(keys).toHaveLength(count);
  expect(keysOf(table, false)).toEqual(keys.toSorted());
  for (const key of keysOf(table, true)) expect(keys).not.toContain(key);
});

test("variables are replaced in the keys where pgmoneta does, and in paths of ours", () => {
  const expanding = Object.entries<AnyOption>(mainTable).flatMap(([key, option]) =>
    option.expandsEnvironment === true && option.ours !== true ? [key] : [],
  );
  expect(expanding.toSorted()).toEqual(
    `unix_socket_dir base_dir workspace ssh_base_dir ssh_public_key_file ssh_private_key_file log_path tls_cert_file
     tls_key_file tls_ca_file pidfile`
      .split(/\s+/)
      .toSorted(),
  );
});

test("secrets are marked", () => {
  const secrets = Object.entries<AnyOption>(mainTable).flatMap(([key, option]) =>
    option.secret === true ? [key] : [],
  );
  expect(secrets.toSorted()).toEqual([
    "azure_shared_key",
    "notify_alertmanager",
    "notify_slack",
    "notify_smtp_password",
    "notify_webhook",
    "notify_webhook_token",
    "s3_access_key_id",
    "s3_secret_access_key",
  ]);
});

describe("every key", () => {
  const all: readonly (readonly [string, AnyOption])[] = [mainTable, serverTable, clientTable].flatMap(
    (table: OptionTable) => Object.entries(table),
  );
  test("is described in full sentences and says what it expects", () => {
    for (const [key, option] of all) {
      expect(`${key}: ${option.description}`).toMatch(/: [A-Z][^]*\.$/);
      expect(option.kind.expected, key).not.toBe("");
      if (option.status.is !== "active") expect(option.status.reason, key).toMatch(/^[a-z][^]*[^.]$/);
    }
  });
});

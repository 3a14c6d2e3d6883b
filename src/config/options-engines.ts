/** Keys of the storage engines that are not part of this version; known, so that a configuration of pgmoneta can be read. */
import { computed, defaulting, notActive, optional, type OptionTable } from "./option.ts";
import { boolean, integer, path, text } from "./value-kinds.ts";

const sshLater = notActive("it belongs to the storage engine ssh, which is not part of this version");
const s3Later = notActive("it belongs to the storage engine s3, which is not part of this version");
const azureLater = notActive("it belongs to the storage engine azure, which is not part of this version");
const enginePort = integer(0, 65535, "a port from 1 to 65535, or 0 for the usual one");

export const sshOptions = {
  ssh_hostname: optional(text, { reload: "restart", status: sshLater, description: "The host of the SSH storage." }),
  ssh_username: optional(text, { reload: "restart", status: sshLater, description: "The login on that host." }),
  ssh_base_dir: optional(text, {
    reload: "restart",
    status: sshLater,
    expandsEnvironment: true,
    description: "The root of the repository on that host.",
  }),
  ssh_port: defaulting(enginePort, 0, {
    reload: "restart",
    status: sshLater,
    description: "The port of that host; 0 stands for 22.",
  }),
  ssh_ciphers: defaulting(text, "aes-256-ctr, aes-192-ctr, aes-128-ctr", {
    reload: "restart",
    status: sshLater,
    description: "The ciphers that are offered.",
  }),
  ssh_public_key_file: computed(
    path,
    { shown: "~/.ssh/id_rsa.pub", compute: ({ homeDirectory }) => `${homeDirectory}/.ssh/id_rsa.pub` },
    { reload: "restart", status: sshLater, expandsEnvironment: true, description: "The public key for the login." },
  ),
  ssh_private_key_file: computed(
    path,
    { shown: "~/.ssh/id_rsa", compute: ({ homeDirectory }) => `${homeDirectory}/.ssh/id_rsa` },
    { reload: "restart", status: sshLater, expandsEnvironment: true, description: "The private key for the login." },
  ),
} satisfies OptionTable;

/** The S3 keys; a server section may have them too. */
export const s3Options = {
  s3_endpoint: optional(text, {
    reload: "restart",
    status: s3Later,
    description: "The host of a compatible store; without it, Amazon's.",
  }),
  s3_port: defaulting(enginePort, 0, {
    reload: "restart",
    status: s3Later,
    description: "The port of the store; 0 stands for 443 or 80.",
  }),
  s3_use_tls: defaulting(boolean, false, {
    reload: "restart",
    status: s3Later,
    description: "Whether TLS is used for s3_endpoint.",
  }),
  s3_storage_class: optional(text, {
    reload: "restart",
    status: s3Later,
    description: "The storage class of new objects.",
  }),
  s3_region: optional(text, {
    reload: "restart",
    status: s3Later,
    description: "The region that requests are signed for.",
  }),
  s3_access_key_id: optional(text, {
    reload: "restart",
    status: s3Later,
    secret: true,
    description: "The access key.",
  }),
  s3_secret_access_key: optional(text, {
    reload: "restart",
    status: s3Later,
    secret: true,
    description: "The secret of the access key.",
  }),
  s3_bucket: optional(text, { reload: "restart", status: s3Later, description: "The bucket." }),
  s3_base_dir: optional(text, { reload: "restart", status: s3Later, description: "The prefix of all objects." }),
} satisfies OptionTable;

export const azureOptions = {
  azure_storage_account: optional(text, { reload: "restart", status: azureLater, description: "The storage account." }),
  azure_container: optional(text, { reload: "restart", status: azureLater, description: "The container." }),
  azure_shared_key: optional(text, {
    reload: "restart",
    status: azureLater,
    secret: true,
    description: "The key of the account.",
  }),
  azure_base_dir: optional(text, { reload: "restart", status: azureLater, description: "The prefix of all blobs." }),
  azure_endpoint: optional(text, {
    reload: "restart",
    status: azureLater,
    description: "The host of an emulator or a private endpoint.",
  }),
  azure_port: defaulting(enginePort, 0, {
    reload: "restart",
    status: azureLater,
    description: "The port of azure_endpoint; 0 is the usual one.",
  }),
  azure_use_tls: optional(boolean, {
    reload: "restart",
    status: azureLater,
    description: "Whether TLS is used for azure_endpoint.",
  }),
} satisfies OptionTable;

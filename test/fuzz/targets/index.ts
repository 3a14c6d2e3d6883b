/** Every parser that reads what somebody else wrote, one target each. */
import type { FuzzTarget } from "../engine/target.ts";
import { backupManifestTarget } from "./backup-manifest.ts";
import { bzip2Target, containerTarget, gzipTarget, lz4Target, zstdTarget } from "./compressed.ts";
import {
  clientConfigurationTarget,
  commandLineTarget,
  configurationTarget,
  passFileTarget,
  positionTarget,
  usersTarget,
} from "./configuration.ts";
import { childOutputTarget, ipcTarget, scramTarget } from "./exchanges.ts";
import { incrementalFileTarget } from "./incremental-file.ts";
import { managementDocumentTarget, managementFrameTarget, managementJsonTarget } from "./management.ts";
import { backupLabelTarget, controlFileTarget, historyTarget, namesTarget, settingsTarget, tablespaceMapTarget } from "./postgres-files.ts";
import { baseBackupTarget, messagesTarget, walStreamTarget } from "./postgres-messages.ts";
import {
  backupInfoTarget,
  chunkIndexTarget,
  dataKeyTarget,
  digestListTarget,
  stateFilesTarget,
  walIndexTarget,
} from "./repository.ts";
import { remoteLoginTarget } from "./remote-login.ts";
import { recoveryPlanTarget, stateDocumentsTarget } from "./state-documents.ts";
import { tarIntakeTarget } from "./tar-intake.ts";
import { tarTarget } from "./tar.ts";
import { walRecordsTarget } from "./wal-records.ts";

export const fuzzTargets: readonly FuzzTarget[] = [
  messagesTarget,
  walStreamTarget,
  baseBackupTarget,
  tarTarget,
  tarIntakeTarget,
  backupManifestTarget,
  historyTarget,
  backupLabelTarget,
  tablespaceMapTarget,
  controlFileTarget,
  settingsTarget,
  namesTarget,
  walRecordsTarget,
  backupInfoTarget,
  chunkIndexTarget,
  digestListTarget,
  walIndexTarget,
  stateFilesTarget,
  stateDocumentsTarget,
  recoveryPlanTarget,
  incrementalFileTarget,
  dataKeyTarget,
  configurationTarget,
  clientConfigurationTarget,
  usersTarget,
  passFileTarget,
  positionTarget,
  commandLineTarget,
  managementJsonTarget,
  managementDocumentTarget,
  managementFrameTarget,
  scramTarget,
  remoteLoginTarget,
  ipcTarget,
  childOutputTarget,
  gzipTarget,
  zstdTarget,
  lz4Target,
  bzip2Target,
  containerTarget,
];

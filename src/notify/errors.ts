/** Errors of notifications. */
import { defineErrors } from "../common/index.ts";

export const notifyErrors = defineErrors({
  unreachable: {
    code: "NOTIFY_UNREACHABLE",
    exit: 1,
    retryable: true,
    hint: "The notification is kept and tried again. See that host, port and certificate authority of the target are right (notify_ca_file, notify_crl_file); the daemon connects by itself, without a proxy.",
  },
  refused: {
    code: "NOTIFY_REFUSED",
    exit: 1,
    retryable: true,
    hint: "The target answered and did not take the notification; it is kept and tried again. Check address, token and login in pgmoneta.conf.",
  },
  program: {
    code: "NOTIFY_PROGRAM",
    exit: 1,
    retryable: true,
    hint: "The program of notify_command must be executable by the account of the daemon and end with 0 within notify_timeout; the notification is kept and tried again.",
  },
  notConfigured: {
    code: "NOTIFY_NOT_CONFIGURED",
    exit: 6,
    retryable: false,
    hint: "Set notify_webhook, notify_slack, notify_alertmanager, notify_email or notify_command in pgmoneta.conf.",
  },
  testFailed: {
    code: "NOTIFY_TEST_FAILED",
    exit: 1,
    retryable: true,
    hint: "The other targets got the test. Put right what the message names, then send it again.",
  },
  mailMissing: {
    code: "NOTIFY_MAIL_MISSING",
    exit: 11,
    retryable: false,
    hint: "E-mail needs the package nodemailer, which was left out of this installation: npm install nodemailer in the directory of Moneta.",
  },
});

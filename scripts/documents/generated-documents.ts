/** The documents that are made from tables of the program, by path from the root of the project. */
import { adminChapter } from "./admin-chapter.ts";
import { adminInitPage } from "./admin-init-page.ts";
import { adminPage } from "./admin-page.ts";
import { checksChapter } from "./checks-chapter.ts";
import { cliPage } from "./cli-page.ts";
import { commandPages } from "./command-page.ts";
import { commandsChapter } from "./commands-chapter.ts";
import { bashCompletion } from "./completion-bash.ts";
import { fishCompletion } from "./completion-fish.ts";
import { zshCompletion } from "./completion-zsh.ts";
import { configurationPage } from "./configuration-page.ts";
import { monetaDashboard } from "./dashboard-moneta.ts";
import { pgmonetaDashboard } from "./dashboard-pgmoneta.ts";
import { daemonPage } from "./daemon-page.ts";
import { errorsPage } from "./errors-page.ts";
import { hooksChapter } from "./hooks-chapter.ts";
import { lookupPages } from "./lookup-pages.ts";
import { manualChapter } from "./manual-chapter.ts";
import { notificationsChapter } from "./notifications-chapter.ts";
import { metricsChapter } from "./metrics-chapter.ts";
import { rulesFile } from "./rules-file.ts";
import { sampleFile } from "./sample-file.ts";

export const generatedDocuments: Readonly<Record<string, () => string>> = {
  "etc/pgmoneta.conf": sampleFile,
  "etc/completion/moneta-cli.bash": bashCompletion,
  "etc/completion/_moneta-cli": zshCompletion,
  "etc/completion/moneta-cli.fish": fishCompletion,
  "doc/ERRORS.md": errorsPage,
  "doc/manual/configuration.md": manualChapter,
  "doc/manual/commands.md": commandsChapter,
  "doc/manual/admin.md": adminChapter,
  "doc/manual/checks.md": checksChapter,
  "doc/manual/hooks.md": hooksChapter,
  "doc/manual/notifications.md": notificationsChapter,
  "doc/manual/metrics.md": metricsChapter,
  "etc/prometheus/moneta.rules.yml": rulesFile,
  "etc/grafana/moneta.json": monetaDashboard,
  "etc/grafana/pgmoneta.json": pgmonetaDashboard,
  "doc/man/moneta.1": daemonPage,
  "doc/man/moneta-cli.1": cliPage,
  ...commandPages,
  "doc/man/pgmoneta.conf.5": configurationPage,
  "doc/man/moneta-admin.1": adminPage,
  "doc/man/moneta-admin-init.1": adminInitPage,
  ...lookupPages,
};

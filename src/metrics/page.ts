/** The page at `/`: what there is, for somebody who opened the port in a browser. */
import { familyGroups } from "./table.ts";

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const style =
  "body{font:16px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em}" +
  "dt{font-family:ui-monospace,monospace;margin-top:.6em;overflow-wrap:anywhere}dd{margin:0 0 0 1.5em}" +
  "dt small{opacity:.7}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8bf}}";

/** The text of the page; it changes only with the version. */
export function metricsPage(version: string): string {
  const groups = familyGroups.flatMap(({ title, families }) => [
    `<h2>${escape(title)}</h2>`,
    "<dl>",
    ...families.map(({ name, type, labels, help }) => {
      const shown = labels.length === 0 ? "" : `{${labels.join(", ")}}`;
      return `<dt>${escape(name + shown)} <small>${type}</small></dt><dd>${escape(help)}.</dd>`;
    }),
    "</dl>",
  ]);
  return [
    "<!DOCTYPE html>",
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<title>Moneta</title><style>${style}</style></head><body>`,
    `<h1>Moneta ${escape(version)}</h1>`,
    '<p><a href="/metrics">Metrics</a> for Prometheus, <a href="/healthz">health</a>, <a href="/readyz">readiness</a>.</p>',
    ...groups,
    "</body></html>",
    "",
  ].join("\n");
}

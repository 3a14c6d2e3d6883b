/** Text of `lineage`: the clusters that a server was, and what can be done about one that is not accepted. */
import type { JsonObject } from "../management/index.ts";
import { isJsonObject } from "../management/index.ts";
import { flagIn, numberIn, objectsIn, textIn } from "./document-fields.ts";
import { sizeIn, warningLines } from "./render-backups.ts";
import { formatTable, wrap } from "./table.ts";

export function renderLineage(response: JsonObject): string[] {
  const server = textIn(response, "Server") ?? "?";
  const lineages = objectsIn(response, "Lineages");
  const stranger = textIn(response, "Stranger");
  const table = formatTable(
    [{ heading: "CLUSTER" }, { heading: "" }, { heading: "PG" }, { heading: "BACKUPS", align: "right" }, { heading: "NEWEST" }, { heading: "WAL", align: "right" }],
    lineages.map((lineage) => [
      textIn(lineage, "SystemIdentifier"),
      flagIn(lineage, "Present") === true ? "present" : "earlier",
      numberIn(lineage, "NewestMajorVersion")?.toString(),
      numberIn(lineage, "NumberOfBackups")?.toString(),
      textIn(lineage, "Newest"),
      sizeIn(lineage, "WALBytes"),
    ]),
  );
  return [
    ...acceptedLines(response, server),
    ...(lineages.length === 0 ? [`No WAL of ${server} is stored yet.`] : table),
    ...(stranger === undefined ? [] : ["", ...strangerLines(stranger, server)]),
    ...warningLines(response),
  ];
}

function acceptedLines({ Accepted: accepted }: JsonObject, server: string): string[] {
  if (!isJsonObject(accepted)) return [];
  const again = flagIn(accepted, "Returned") === true ? " again" : "";
  const [from, to] = [textIn(accepted, "From") ?? "?", textIn(accepted, "To") ?? "?"];
  return [...wrap(`${server} is cluster ${to}${again} from now on. The WAL of ${from} is kept apart, and its backups can be restored as before.`, 78), ""];
}

const strangerLines = (stranger: string, server: string): string[] => [
  ...wrap(`Cluster ${stranger} answers at the address of ${server} and is not accepted: nothing of it is received.`, 78, "! ", "  "),
  `  moneta-cli lineage ${server} accept ${stranger}`,
];

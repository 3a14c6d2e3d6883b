/** Rules for `follow`: a server that streams, or that is there at all, is what can be followed. Pure. */
import type { SectionUnderCheck } from "./check-consistency.ts";
import type { ConfigProblem } from "./configuration.ts";

const followedBy = ({ compiled }: SectionUnderCheck): string | undefined => {
  const value = compiled.values.get("follow");
  return typeof value === "string" ? value : undefined;
};

/** All problems of all servers: one that follows itself, one that is not there, or one that only streams when another one does not. */
export function checkFollow(file: string, servers: readonly SectionUnderCheck[]): ConfigProblem[] {
  const byName = new Map(servers.map((server) => [server.section.name, server]));
  return servers.flatMap((server): ConfigProblem[] => {
    const name = followedBy(server);
    if (name === undefined) return [];
    const message = messageFor(server.section.name, name, byName);
    const line = server.compiled.entries.get("follow")?.line ?? server.section.line;
    return message === undefined ? [] : [{ file, line, section: server.section.name, key: "follow", message }];
  });
}

function messageFor(own: string, name: string, byName: ReadonlyMap<string, SectionUnderCheck>): string | undefined {
  if (name === own) return "expected another server, found the name of this one";
  const followed = byName.get(name);
  if (followed === undefined) return `expected the name of another server section, found "${name}"`;
  const next = followedBy(followed);
  if (next === undefined) return undefined;
  const circle = next === own ? `which follows [${own}] in turn` : `which follows [${next}]`;
  return `expected a server that follows none, because one that follows does not stream all the time; found "${name}", ${circle}`;
}

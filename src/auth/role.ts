/** What an operator of remote management may do, the least first; each role may do what those before it may. */
export const roles = ["viewer", "operator", "admin"] as const;
export type Role = (typeof roles)[number];

/** The role of that name; undefined when there is none. */
export function roleNamed(text: string): Role | undefined {
  return roles.find((role) => role === text);
}

/** True when somebody with the role `has` may do what needs at least `least`. */
export function roleAllows(has: Role, least: Role): boolean {
  return roles.indexOf(has) >= roles.indexOf(least);
}

/** True for names and addresses that lead nowhere but to this machine, whatever its resolver says. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);

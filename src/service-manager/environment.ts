/** What a service manager such as systemd wrote into the environment (sd_notify(3), sd_watchdog_enabled(3)). */

export interface ServiceEnvironment {
  /** Where it listens: a path, or `@` and an abstract name. */
  readonly socket: string;
  /** It ends the service when it hears nothing for so long, microseconds; undefined when it does not watch this process. */
  readonly watchdogUsec: number | undefined;
}

const variables = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] as const;

/**
 * Takes the variables out of `environment`, so that no process that is started later has them: whoever has the socket
 * could speak in the name of the daemon. Undefined where no service manager wants to hear anything.
 *
 * @param pid of this process: a watch over another one is not for us
 */
export function takeServiceEnvironment(environment: Record<string, string | undefined>, pid: number): ServiceEnvironment | undefined {
  const [socket, usec, watched] = variables.map((name) => environment[name]);
  for (const name of variables) delete environment[name];
  if (socket === undefined || socket === "") return undefined;
  const ours = watched === undefined || watched === "" || watched === String(pid);
  const watchdogUsec = ours && usec !== undefined && /^[1-9]\d{0,14}$/.test(usec) ? Number(usec) : undefined;
  return { socket, watchdogUsec };
}

/** The variables for a process that becomes the daemon in the place of this one; its pid is not known yet. */
export function variablesForSuccessor(service: ServiceEnvironment | undefined): Record<string, string> {
  if (service === undefined) return {};
  const { socket, watchdogUsec } = service;
  return { NOTIFY_SOCKET: socket, ...(watchdogUsec === undefined ? {} : { WATCHDOG_USEC: String(watchdogUsec) }) };
}

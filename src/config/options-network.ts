/** Keys of `[pgmoneta]` about addresses, ports, sockets and the process itself. */
import { isLoopback } from "../common/index.ts";
import { computed, defaulting, notActive, optional, required, type OptionTable } from "./option.ts";
import {
  boolean,
  byteSize,
  duration,
  integer,
  listeningPort,
  named,
  oneOf,
  path,
  positiveTimeLimit,
  statusInterval,
  timeLimit,
} from "./value-kinds.ts";

const noEffectInNode = notActive("it belongs to pgmoneta's own event loop and shared memory and has no meaning here");

export const networkOptions = {
  host: required(named("a host name, an address, or * for all addresses"), {
    reload: "live",
    description:
      "The address that metrics and remote management bind to; * stands for all addresses. It is also part of the default name of the PID file.",
  }),
  unix_socket_dir: required(path, {
    reload: "restart",
    expandsEnvironment: true,
    description: "The directory of the management socket .s.pgmoneta. It must exist.",
  }),
  metrics: defaulting(listeningPort, 0, {
    reload: "live",
    description:
      "The port on which host answers Prometheus (/metrics), health checks (/healthz, /readyz) and browsers (/), over HTTP, or HTTPS with metrics_cert_file; 0 is off.",
  }),
  metrics_cache_max_age: defaulting(duration, 0, {
    reload: "live",
    description: "How long an answer with metrics is used again; 0 is off, and none is needed: a scrape is cheap.",
  }),
  metrics_cache_max_size: defaulting(byteSize, 256 * 1024, {
    reload: "live",
    description: "The largest answer that is kept to be used again, in each of the two formats.",
  }),
  metrics_backups: defaulting(integer(0, 1_000_000), 100, {
    reload: "live",
    ours: true,
    description:
      "How many of the newest backups of each server have metrics of their own (about 45 samples each); 0 is all of them. What counts all backups of a server counts them in any case.",
  }),
  metrics_cert_file: optional(path, {
    reload: "live",
    description:
      "The TLS certificate of the metrics endpoint. With it there is no answer in clear text, and the daemon does not start when it cannot be used. Read again at each reload.",
  }),
  metrics_key_file: optional(path, {
    reload: "live",
    description: "The private key that belongs to metrics_cert_file; nobody else may read it.",
  }),
  metrics_ca_file: optional(path, {
    reload: "live",
    description: "The certificate authority of those who may connect to the metrics endpoint; with it each client needs a certificate of it.",
  }),
  metrics_crl_file: optional(path, {
    reload: "live",
    ours: true,
    description: "The revocation list (PEM) of metrics_ca_file: whose certificate is in it does not get in, and nobody does once the list has run out.",
  }),
  nagios: defaulting(listeningPort, 0, {
    reload: "live",
    description:
      "The port on which the checks of moneta-cli check are answered over HTTP for Nagios and its relatives; 0 is off. It binds to host, without TLS and without a login.",
  }),
  console: defaulting(listeningPort, 0, {
    reload: "live",
    status: notActive("the web console is not part of this version"),
    description: "The port of the web console; 0 is off.",
  }),
  management: defaulting(listeningPort, 0, {
    reload: "live",
    description: "The port of remote management on host; 0 is off. Who may log in is in the admins file.",
  }),
  tls: defaulting(boolean, false, {
    reload: "live",
    description: "Whether remote management offers TLS, 1.2 or later; tls_cert_file and tls_key_file are needed then.",
  }),
  tls_required: computed(
    boolean,
    { shown: "off where host is localhost or an address of it, else on", compute: ({ values }) => !isLoopback(String(values.get("host"))) },
    {
      reload: "live",
      ours: true,
      description: "Whether remote management refuses clients in clear text.",
    },
  ),
  tls_cert_file: optional(path, {
    reload: "live",
    expandsEnvironment: true,
    description: "The TLS certificate of remote management.",
  }),
  tls_key_file: optional(path, {
    reload: "live",
    expandsEnvironment: true,
    description: "The private key that belongs to tls_cert_file.",
  }),
  tls_ca_file: optional(path, {
    reload: "live",
    expandsEnvironment: true,
    description: "The certificate authority for clients of remote management; when it is set they need a certificate.",
  }),
  tls_crl_file: optional(path, {
    reload: "live",
    ours: true,
    expandsEnvironment: true,
    description: "The revocation list (PEM) of tls_ca_file: whose certificate is in it does not get in, and nobody does once the list has run out. It is read at each reload.",
  }),
  blocking_timeout: defaulting(timeLimit, 30, {
    reload: "live",
    description: "How long a management client may be silent or stop reading before it is disconnected; 0 is no limit.",
  }),
  authentication_timeout: defaulting(positiveTimeLimit, 5, {
    reload: "live",
    description: "How long a client or a PostgreSQL server may take to complete a login.",
  }),
  connect_timeout: defaulting(positiveTimeLimit, 10, {
    reload: "live",
    ours: true,
    description: "How long opening a connection to a PostgreSQL server may take.",
  }),
  receiver_timeout: defaulting(positiveTimeLimit, 60, {
    reload: "live",
    ours: true,
    description:
      "A replication connection on which nothing arrives for this long, although an answer was asked for, is taken for dead and opened again.",
  }),
  receiver_status_interval: defaulting(statusInterval, 10, {
    reload: "live",
    ours: true,
    description:
      "The longest time between two position reports to the PostgreSQL server, at most 10 s; new flushed WAL is reported at once in any case.",
  }),
  keep_alive: defaulting(boolean, true, { reload: "live", description: "Whether SO_KEEPALIVE is set on connections." }),
  nodelay: defaulting(boolean, true, { reload: "live", description: "Whether TCP_NODELAY is set on connections." }),
  non_blocking: defaulting(boolean, true, {
    reload: "live",
    status: notActive("every socket is non-blocking here"),
    description: "Whether O_NONBLOCK is set on sockets.",
  }),
  backlog: defaulting(integer(1, 65535), 16, {
    reload: "live",
    status: notActive("the length that the operating system and Node choose applies, which is larger"),
    description: "How many connections may wait to be accepted on a listening socket.",
  }),
  libev: defaulting(oneOf(["auto", "select", "poll", "epoll", "iouring", "linuxaio", "devpoll", "port"]), "auto", {
    reload: "restart",
    status: noEffectInNode,
    description: "The backend of pgmoneta's event loop.",
  }),
  hugepage: defaulting(oneOf(["off", "try", "on"]), "try", {
    reload: "restart",
    status: noEffectInNode,
    asksForNothing: (value) => value !== "on",
    description: "Whether pgmoneta's shared memory lies in huge pages.",
  }),
  pidfile: computed(
    path,
    {
      shown: "<unix_socket_dir>/pgmoneta.<host, or all for *>.pid",
      compute: ({ values }) => {
        const host = String(values.get("host"));
        return `${String(values.get("unix_socket_dir"))}/pgmoneta.${host === "*" ? "all" : host.replaceAll("/", "_")}.pid`;
      },
    },
    {
      reload: "live",
      expandsEnvironment: true,
      description: "The PID file. One that was left behind by a daemon that no longer runs is replaced.",
    },
  ),
  update_process_title: defaulting(
    oneOf(["never", "strict", "minimal", "verbose"], { off: "never", full: "verbose" }),
    "verbose",
    {
      reload: "restart",
      description:
        "What the title of a process says: verbose (also full) what it does, strict the same cut at the length of its command line, minimal only what it is, never (also off) leaves it as it is.",
    },
  ),
} satisfies OptionTable;

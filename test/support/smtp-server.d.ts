/** What the mail server of tests uses of smtp-server: types are looked at also where the package is not installed. */
declare module "smtp-server" {
  import type { Readable } from "node:stream";
  import type { Server } from "node:net";

  type Callback<T = unknown> = (error?: Error | null, result?: T) => void;
  interface Address {
    readonly address: string;
  }
  interface Session {
    readonly user?: string;
    readonly secure: boolean;
    readonly envelope: { readonly mailFrom: false | Address; readonly rcptTo: readonly Address[] };
  }
  interface Options {
    readonly cert?: Buffer;
    readonly key?: Buffer;
    readonly secure?: boolean;
    readonly authOptional?: boolean;
    readonly disabledCommands?: readonly string[];
    readonly logger?: boolean;
    onAuth?(auth: { readonly username?: string; readonly password?: string }, session: Session, callback: Callback<{ user: string }>): void;
    onRcptTo?(address: Address, session: Session, callback: Callback): void;
    onData?(stream: Readable, session: Session, callback: Callback): void;
  }
  export class SMTPServer {
    constructor(options: Options);
    readonly server: Server;
    on(event: "error", listener: (error: Error) => void): this;
    listen(port: number, host: string, listening: () => void): void;
    close(closed?: () => void): void;
  }
}

/** Messages as a PostgreSQL server sends them, byte by byte after the manual ("Message Formats"), independent of the code under test. */

const cstring = (text: string): Buffer => Buffer.concat([Buffer.from(text, "utf8"), Buffer.alloc(1)]);

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value));
  return bytes;
}

/** A message with a type byte and a length that is right unless another one is given. */
export function backendMessage(type: string, body: Buffer, length = body.length + 4): Buffer {
  const header = Buffer.alloc(5);
  header.write(type, "latin1");
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, body]);
}

export interface ErrorFields {
  readonly severity?: string;
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
}

function errorBody({ severity = "ERROR", code, message, detail }: ErrorFields): Buffer {
  const fields = [`S${severity}`, `V${severity}`, `C${code}`, `M${message}`, ...(detail === undefined ? [] : [`D${detail}`])];
  return Buffer.concat([...fields.map(cstring), Buffer.alloc(1)]);
}

/** Microseconds since 2000-01-01, of milliseconds since 1970. */
const postgresTime = (ms: number): bigint => (BigInt(ms) - 946_684_800_000n) * 1000n;

export const backend = {
  authentication: (code: number, data = Buffer.alloc(0)) => backendMessage("R", Buffer.concat([int32(code), data])),
  authenticationOk: () => backend.authentication(0),
  sasl: (...mechanisms: string[]) => backend.authentication(10, Buffer.concat([...mechanisms.map(cstring), Buffer.alloc(1)])),
  saslContinue: (text: string) => backend.authentication(11, Buffer.from(text)),
  saslFinal: (text: string) => backend.authentication(12, Buffer.from(text)),
  parameter: (name: string, value: string) => backendMessage("S", Buffer.concat([cstring(name), cstring(value)])),
  key: (pid: number, secret: number) => backendMessage("K", Buffer.concat([int32(pid), int32(secret)])),
  ready: () => backendMessage("Z", Buffer.from("I")),
  columns: (...names: string[]) =>
    backendMessage(
      "T",
      Buffer.concat([int16(names.length), ...names.map((name) => Buffer.concat([cstring(name), int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(0)]))]),
    ),
  row: (...values: (string | Buffer | null)[]) =>
    backendMessage(
      "D",
      Buffer.concat([
        int16(values.length),
        ...values.map((value) => (value === null ? int32(-1) : Buffer.concat([int32(Buffer.byteLength(value)), Buffer.from(value)]))),
      ]),
    ),
  complete: (tag: string) => backendMessage("C", cstring(tag)),
  error: (fields: ErrorFields) => backendMessage("E", errorBody(fields)),
  notice: (fields: ErrorFields) => backendMessage("N", errorBody(fields)),
  copyOut: () => backendMessage("H", Buffer.from([0, 0, 0])),
  copyBoth: () => backendMessage("W", Buffer.from([0, 0, 0])),
  copyData: (...parts: (string | Buffer)[]) => backendMessage("d", Buffer.concat(parts.map((part) => Buffer.from(part)))),
  copyDone: () => backendMessage("c", Buffer.alloc(0)),
  walData: (start: bigint, wal: Buffer, serverEnd = start + BigInt(wal.length), time = 0) =>
    backend.copyData("w", int64(start), int64(serverEnd), int64(postgresTime(time)), wal),
  keepalive: (serverEnd: bigint, replyRequested: boolean, time = 0) =>
    backend.copyData("k", int64(serverEnd), int64(postgresTime(time)), Buffer.from([replyRequested ? 1 : 0])),
  archive: (name: string, location = "") => backend.copyData("n", cstring(name), cstring(location)),
  archiveData: (data: Buffer | string) => backend.copyData("d", data),
  manifest: () => backend.copyData("m"),
  progress: (bytes: bigint) => backend.copyData("p", int64(bytes)),
};

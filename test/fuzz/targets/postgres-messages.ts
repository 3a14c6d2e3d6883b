/** What a server sends: messages, the COPY streams of WAL and of base backups. */
import { MonetaError } from "../../../src/common/index.ts";
import { createMultipleCopiesDecoder, createSingleCopyDecoder, type BaseBackupParts } from "../../../src/replication/base-backup-decoder.ts";
import { decodeControlMessage } from "../../../src/replication/control-message.ts";
import { createFrameSplitter, type FrameSink } from "../../../src/replication/frame-splitter.ts";
import { createWalMessageDecoder } from "../../../src/replication/wal-message.ts";
import { backend, backendMessage } from "../../support/backend-messages.ts";
import type { Random } from "../engine/random.ts";
import { mustHold, type FuzzTarget } from "../engine/target.ts";
import { readBothWays, type PieceReader, type Transcript } from "./transcript.ts";

const printed = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? String(inner) : inner));

const conversation: readonly [Buffer, ...Buffer[]] = [
  backend.authenticationOk(),
  backend.sasl("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"),
  backend.saslContinue("r=abcdef,s=c2FsdHNhbHRzYWx0c2FsdA==,i=4096"),
  backend.saslFinal("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
  backend.authentication(3),
  backend.authentication(5, Buffer.from("salt")),
  backend.parameter("server_version", "15.14 (Debian 15.14-0+deb12u1)"),
  backend.key(4711, -5),
  backend.ready(),
  backend.columns("systemid", "timeline", "xlogpos", "dbname"),
  backend.row("7412345678901234567", "1", "0/3000148", null),
  backend.row("00000002.history", Buffer.from("1\t0/3000148\tno recovery target specified\n")),
  backend.complete("IDENTIFY_SYSTEM"),
  backend.error({ severity: "FATAL", code: "57P01", message: "terminating connection", detail: "for a reason" }),
  backend.notice({ severity: "WARNING", code: "01000", message: "careful" }),
  backend.copyOut(),
  backend.copyBoth(),
  backend.copyDone(),
  backend.copyData("some bytes"),
  backendMessage("I", Buffer.alloc(0)),
  backendMessage("A", Buffer.concat([Buffer.alloc(4), Buffer.from("channel\0payload\0")])),
  backendMessage("v", Buffer.from([0, 3, 0, 0, 0, 0, 0, 0])),
];

const wal: readonly [Buffer, ...Buffer[]] = [
  backend.walData(0x3000000n, Buffer.alloc(300, "wal")),
  backend.walData(0x300012cn, Buffer.alloc(1)),
  backend.walData(0xffff_ffff_ffff_fff0n, Buffer.alloc(16)),
  backend.walData(0xffff_ffff_ffff_ffffn, Buffer.alloc(8)),
  backend.keepalive(0x3000200n, true, Date.UTC(2026, 10, 20)),
  backend.keepalive(0n, false),
  backend.copyDone(),
  backend.complete("START_STREAMING"),
];

const backup: readonly [Buffer, ...Buffer[]] = [
  backend.columns("recptr", "tli"),
  backend.row("0/2000028", "1"),
  backend.columns("spcoid", "spclocation", "size"),
  backend.row("16384", "/srv/space", "120"),
  backend.row(null, null, "31000"),
  backend.copyOut(),
  backend.archive("16384.tar", "/srv/space"),
  backend.archive("base.tar.gz"),
  backend.archiveData(Buffer.alloc(700, 1)),
  backend.progress(1234n),
  backend.progress(-1n),
  backend.manifest(),
  backend.copyData("d", "{ \"PostgreSQL-Backup-Manifest-Version\": 1 }"),
  backend.copyData(""),
  backend.copyDone(),
];

function sequence(messages: readonly [Buffer, ...Buffer[]], random: Random): Buffer {
  return Buffer.concat(Array.from({ length: 1 + random.below(8) }, () => random.pick(messages)));
}

const throughSplitter =
  (trusted: boolean, open: (transcript: Transcript) => FrameSink) =>
  (transcript: Transcript): PieceReader => {
    const splitter = createFrameSplitter(open(transcript));
    if (trusted) splitter.trust();
    return {
      write: (piece) => {
        splitter.push(piece);
      },
      finish: () => undefined,
    };
  };

/** A message, decoded, or why it was refused: another one may follow. */
function control(transcript: Transcript, frame: Buffer): void {
  try {
    transcript.say(printed(decodeControlMessage(frame)));
  } catch (error) {
    if (!(error instanceof MonetaError)) throw error;
    transcript.say(`message refused: ${error.code}`);
  }
}

export const messagesTarget: FuzzTarget = {
  name: "postgres-messages",
  // A row may hold 16 MiB, and room for it is made when its length is known.
  allocation: 17 * 1024 * 1024,
  open: () => ({
    corpus: [...conversation, Buffer.concat([...conversation])],
    words: ["R", "D", "E", "SCRAM-SHA-256\0", Buffer.from([0, 0, 0, 4]), Buffer.from([0xff, 0xff, 0xff, 0xff])],
    generate: (random) => sequence(conversation, random),
    run(input, random) {
      const trusted = !random.once(4);
      const transcript = readBothWays(
        throughSplitter(trusted, (told) => ({
          message: (frame) => {
            control(told, frame);
          },
          copyStart: (length) => {
            told.say(`copy ${length}`);
          },
          copyPiece: (piece) => {
            told.bytes(piece);
          },
          copyEnd: () => {
            told.say("copy ends");
          },
        })),
        input,
        random,
      );
      return transcript.lines.find((line) => line.startsWith("message refused: "))?.slice(17);
    },
  }),
};

export const walStreamTarget: FuzzTarget = {
  name: "wal-stream",
  allocation: 17 * 1024 * 1024,
  open: () => ({
    corpus: [...wal, Buffer.concat([...wal.slice(0, 2), ...wal.slice(4)])],
    generate: (random) => sequence(wal, random),
    run(input, random) {
      readBothWays(
        throughSplitter(true, (told) => {
          let next: bigint | undefined;
          const decoder = createWalMessageDecoder({
            data(start, piece) {
              mustHold(next === undefined || start === next, "bytes of a message follow each other");
              if (next === undefined) told.say(`data from ${start}`);
              told.bytes(piece);
              next = start + BigInt(piece.length);
            },
            dataEnd(end, state) {
              mustHold(next === undefined || end === next, "a message ends where its last byte ends");
              told.say(`data to ${end} ${printed(state)}`);
            },
            keepalive: (keepalive) => {
              told.say(printed(keepalive));
            },
          });
          return {
            message: (frame) => {
              control(told, frame);
            },
            copyStart(length) {
              next = undefined;
              decoder.start(length);
            },
            copyPiece: (piece) => {
              decoder.piece(piece);
            },
            copyEnd: () => {
              decoder.end();
            },
          };
        }),
        input,
        random,
      );
      return undefined;
    },
  }),
};

const tablespaces = [{ oid: 16384, location: "/srv/space", size: 120 }, { oid: undefined, location: undefined, size: 31_000 }];

export const baseBackupTarget: FuzzTarget = {
  name: "base-backup",
  allocation: 17 * 1024 * 1024,
  open: () => ({
    corpus: [Buffer.concat([...backup]), ...backup],
    generate: (random) => sequence(backup, random),
    run(input, random) {
      const single = !random.once(3);
      readBothWays(
        throughSplitter(true, (told) => {
          let copies = 0;
          const parts: BaseBackupParts = {
            archive: (name, oid) => {
              told.say(`archive ${name} ${oid}`);
            },
            archiveData: (piece) => {
              told.bytes(piece);
            },
            archiveEnd: () => {
              told.say("archive ends");
            },
            manifestData: (piece) => {
              told.bytes(piece);
            },
            manifestEnd: () => {
              told.say("manifest ends");
            },
            progress: (bytes) => {
              told.say(`progress ${bytes}`);
            },
          };
          const decoder = single ? createSingleCopyDecoder(parts) : createMultipleCopiesDecoder(parts);
          return {
            message(frame) {
              const message = decodeControlMessage(frame);
              if (message.kind === "copy-out") decoder.copyBegin(copies++, tablespaces);
              if (message.kind === "copy-done") decoder.copyEnd();
            },
            copyStart: () => {
              decoder.messageStart();
            },
            copyPiece: (piece) => {
              decoder.piece(piece);
            },
            copyEnd: () => {
              decoder.messageEnd();
            },
          };
        }),
        input,
        random,
      );
      return undefined;
    },
  }),
};

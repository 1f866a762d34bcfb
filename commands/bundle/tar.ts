import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { Writable } from "node:stream";
import { UserError } from "../../lib/errors";

/*
 * A tar file whose members are streams of unknown length: the header of a member is written once the member is
 * complete. `tar tf` lists it, but a bundle is only as good as the hashes of its members, which its last member holds.
 */

const block = 512;

export interface Member {
  name: string;
  bytes: number;
  sha256: string;
}

/** Writes such a file from its beginning. */
export class TarWriter {
  #position = 0;

  constructor(private readonly descriptor: number) {}

  /** Adds a member with what `produce` writes to its stream. */
  async add(name: string, produce: (stream: Writable) => Promise<void>): Promise<Member> {
    const start = this.#position;
    const digest = createHash("sha256");
    this.#position += block;
    const stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        digest.update(chunk);
        const at = this.#position;
        this.#position += chunk.length;
        writeAll(this.descriptor, chunk, at, done);
      },
    });
    await produce(stream);
    await new Promise<void>((resolve, reject) => {
      stream.once("error", reject).end(resolve);
    });
    const bytes = this.#position - start - block;
    this.#position += (block - (bytes % block)) % block;
    fs.writeSync(this.descriptor, header(name, bytes), 0, block, start);
    return { name, bytes, sha256: digest.digest("hex") };
  }

  /** Ends the file and flushes it to the disk. */
  finish(): void {
    fs.ftruncateSync(this.descriptor, this.#position + 2 * block);
    fs.fsyncSync(this.descriptor);
  }
}

export interface TarEntry {
  name: string;
  /** Position of its first byte in the file. */
  offset: number;
  bytes: number;
}

/** The members of such a file, in order. @throws UserError for a file that is not a bundle or ends early */
export function readEntries(descriptor: number, file: string): TarEntry[] {
  const { size } = fs.fstatSync(descriptor);
  const entries: TarEntry[] = [];
  const head = Buffer.alloc(block);
  for (let position = 0; ;) {
    if (fs.readSync(descriptor, head, 0, block, position) < block) {
      throw new UserError(`${file} is not a bundle, or it ends early: it has ${size} bytes and no end marker.`);
    }
    if (head.every((byte) => byte === 0)) {
      return entries;
    }
    const name = head.subarray(0, 100).toString("latin1").replace(/\0.*$/s, "");
    if (!header(name, readSize(head)).equals(head)) {
      throw new UserError(`${file} is not a bundle, or it was changed (at byte ${position}).`);
    }
    const entry = { name, offset: position + block, bytes: readSize(head) };
    if (entry.offset + entry.bytes > size) {
      throw new UserError(
        `${file} ends early: it has ${size} bytes, but ${name} would end at byte ${entry.offset + entry.bytes}.`,
      );
    }
    entries.push(entry);
    position = entry.offset + Math.ceil(entry.bytes / block) * block;
  }
}

/** The header of a regular file with mode 0644, owner 0 and modification time 0. */
function header(name: string, bytes: number): Buffer {
  const head = Buffer.alloc(block);
  head.write(name, 0, 100, "latin1");
  head.write("0000644\0" + "0000000\0" + "0000000\0", 100, "latin1");
  if (bytes < 8 ** 11) {
    head.write(`${bytes.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  } else {
    // Above 8 GiB the octal digits run out.
    head.writeUInt8(0x80, 124);
    head.writeBigUInt64BE(BigInt(bytes), 128);
  }
  head.write("00000000000\0" + "        " + "0", 136, "latin1");
  head.write("ustar\0" + "00", 257, "latin1");
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return head;
}

function readSize(head: Buffer): number {
  return head.readUInt8(124) === 0x80
    ? Number(head.readBigUInt64BE(128))
    : parseInt(head.subarray(124, 135).toString("latin1"), 8) || 0;
}

function writeAll(descriptor: number, chunk: Buffer, at: number, done: (error?: Error | null) => void): void {
  fs.write(descriptor, chunk, 0, chunk.length, at, (error, written) => {
    if (error !== null || written === chunk.length) {
      done(error);
    } else {
      writeAll(descriptor, chunk.subarray(written), at + written, done);
    }
  });
}

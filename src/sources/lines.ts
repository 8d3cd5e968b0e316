import { createHash, type Hash } from 'node:crypto';

/** One line, without its end (`\n`, or `\r\n`). */
export type Line = {
  /** 1 for the first; empty lines count. */
  readonly number: number;
  /** The whole line, or the first `bytesKept` bytes of an oversize one. */
  readonly bytes: Buffer;
  /** Set when the line is longer than `bytesMax`: its true length in bytes (a `\r` at its end counts), and its SHA-256. */
  readonly oversize?: { readonly length: number; readonly sha256: string };
};

export type LineLimits = {
  readonly bytesMax: number;
  /** What is kept of a longer line. At most `bytesMax`. */
  readonly bytesKept: number;
};

/** A line may be as long as the longest message that is decoded, with room for an envelope in base64 around it. */
export const lineLimits: LineLimits = { bytesMax: 16 * 1024 * 1024, bytesKept: 64 * 1024 };

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** The line under construction: whole until it grows too long, then its beginning, its length and its hash. */
const createPending = ({ bytesMax, bytesKept }: LineLimits) => {
  let parts: Buffer[] = [];
  let length = 0;
  let hash: Hash | undefined;
  const add = (part: Buffer): void => {
    length += part.length;
    if (hash) hash.update(part);
    else {
      parts.push(part);
      // One byte more than the limit, since it may be the `\r` of the line's end.
      if (length > bytesMax + 1) {
        const begun = Buffer.concat(parts);
        hash = createHash('sha256').update(begun);
        parts = [Buffer.from(begun.subarray(0, bytesKept))];
      }
    }
  };
  const end = (number: number): Line => {
    const whole = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    const bytes = !hash && whole.at(-1) === carriageReturn ? whole.subarray(0, -1) : whole;
    const size = hash ? length : bytes.length;
    const line: Line =
      size <= bytesMax
        ? { number, bytes }
        : {
            number,
            bytes: bytes.subarray(0, bytesKept),
            oversize: { length: size, sha256: (hash ?? createHash('sha256').update(bytes)).digest('hex') },
          };
    parts = [];
    length = 0;
    hash = undefined;
    return line;
  };
  return { add, end, isEmpty: () => length === 0 };
};

/**
 * The lines of a stream, as many at a time as a chunk completes. Only `\n` ends a line: U+2028, U+2029 and a lone `\r`
 * are ordinary characters, as JSON has them. The last line needs no `\n`.
 *
 * Holds one chunk and at most `bytesMax` of an unfinished line. An error of the stream is thrown after every line that
 * was complete before it; the unfinished one is not given out.
 */
export async function* readLines(
  stream: AsyncIterable<string | Buffer>,
  limits: LineLimits = lineLimits,
): AsyncGenerator<readonly Line[], void, undefined> {
  const pending = createPending(limits);
  let number = 0;
  for await (const piece of stream) {
    const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece;
    const lines: Line[] = [];
    let from = 0;
    for (let at = chunk.indexOf(lineFeed); at !== -1; at = chunk.indexOf(lineFeed, from)) {
      pending.add(chunk.subarray(from, at));
      lines.push(pending.end(++number));
      from = at + 1;
    }
    if (from < chunk.length) pending.add(chunk.subarray(from));
    if (lines.length > 0) yield lines;
  }
  if (!pending.isEmpty()) yield [pending.end(++number)];
}

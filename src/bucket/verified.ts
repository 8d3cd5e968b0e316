import { Readable } from 'node:stream';
import { messageOf, RetryableError } from '../errors.ts';
import type { Expectation } from './checksum.ts';
import { isTold } from './errors.ts';

export type Download = {
  /** The bytes from the start. */
  readonly first: Readable;
  readonly length: number;
  readonly expectation: Expectation;
  /** Opens the bytes from an offset on, of the very same content. */
  readonly openFrom: (offset: number) => Promise<Readable>;
  /** Names the request in messages. */
  readonly what: string;
  /** Longest wait for the next piece, while somebody reads; default 60 s. */
  readonly silenceMsMax?: number;
};

/** Breaks in a row that a download survives. It counts from zero again once enough bytes have come: so it ends for sure. */
const breaksMax = 3;
const progressBytes = 1_048_576;

/**
 * An object's bytes, verified while they stream: the reader gets an error instead of the end when the length or the checksum
 * does not hold, and no more than `length` bytes. A break is mended behind the reader's back. Destroying it closes the
 * connection, also before anything was read.
 */
export const verifiedStream = (download: Download): Readable => {
  const current = { source: download.first };
  // Nobody may be reading when a connection fails: the reader learns of it when it does.
  download.first.on('error', () => undefined);
  const body = Readable.from(piecesOf(download, current), { objectMode: false, highWaterMark: 64 * 1024 });
  body.once('close', () => current.source.destroy());
  return body;
};

async function* piecesOf(download: Download, current: { source: Readable }): AsyncGenerator<Buffer> {
  const { length, expectation, openFrom, what } = download;
  const running = expectation.start();
  let seen = 0;
  let breaks = 0;
  let sinceBreak = 0;
  for (;;) {
    let why = `ended at byte ${seen} of ${length}`;
    try {
      for await (const chunk of unsilenced(current.source, download.silenceMsMax ?? 60_000)) {
        seen += chunk.length;
        sinceBreak += chunk.length;
        if (seen > length) throw new RetryableError(`${what}: more than the ${length} bytes that were announced came`);
        running.update(chunk);
        // The last piece waits for the verdict: a reader that counts must not take the content for whole before it.
        if (seen === length) verify(download, running.digest());
        yield chunk;
      }
      if (seen === length) break;
    } catch (error) {
      if (isTold(error)) throw error;
      why = `broke off at byte ${seen} of ${length}: ${messageOf(error)}`;
    }
    // All of it has come and has been verified: what happens to the connection now is of no interest.
    if (seen === length && length > 0) return;
    if (sinceBreak >= progressBytes) breaks = 0;
    sinceBreak = 0;
    if (breaks++ >= breaksMax) throw new RetryableError(`${what}: the download ${why}`);
    current.source = await openFrom(seen);
    current.source.on('error', () => undefined);
  }
  if (length === 0) verify(download, running.digest());
}

const verify = ({ expectation, what }: Download, digest: string): void => {
  if (digest !== expectation.expected)
    throw new RetryableError(`${what}: the bytes that came do not have the ${expectation.by} that the bucket states`);
};

/** The pieces of a stream; fails when one lets itself be waited for. A reader that pauses is no silence. */
async function* unsilenced(source: Readable, silenceMsMax: number): AsyncGenerator<Buffer> {
  const iterator = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let timer: NodeJS.Timeout | undefined;
  try {
    for (;;) {
      timer = setTimeout(() => source.destroy(new Error(`nothing came for ${silenceMsMax} ms`)), silenceMsMax);
      const { done, value } = await iterator.next();
      clearTimeout(timer);
      if (done) return;
      yield value;
    }
  } finally {
    clearTimeout(timer);
    source.destroy();
  }
}

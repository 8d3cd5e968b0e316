import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { Problem } from './problem.ts';

/** What the sender declares about a body. `length` is in bytes and must hold exactly. */
export type Declared = { readonly length: number; readonly md5?: string; readonly sha256?: string };

export type Received = { readonly size: number; readonly md5: string };

/** Reads what the headers of a save declare; digests are base64 in the headers and hex here. */
export const declaredBy = (headers: IncomingHttpHeaders): Declared => {
  const stated = lengthIn(headers, 'x-content-length');
  const length = lengthIn(headers, 'content-length') ?? stated;
  if (length === undefined) {
    throw new Problem('length-required', 'declare the length with Content-Length (or X-Content-Length when chunked)');
  }
  if (stated !== undefined && stated !== length) {
    throw new Problem('bad-request', 'Content-Length and X-Content-Length contradict each other');
  }
  const md5 = digestIn(headers, 'content-md5', 16);
  const sha256 = digestIn(headers, 'x-checksum-sha256', 32);
  return { length, ...(md5 && { md5 }), ...(sha256 && { sha256 }) };
};

const lengthIn = (headers: IncomingHttpHeaders, name: string): number | undefined => {
  const text = headers[name];
  if (text === undefined) return undefined;
  const length = Number(text);
  if (!/^\d+$/.test(String(text)) || !Number.isSafeInteger(length)) {
    throw new Problem('bad-request', 'the declared length is no whole number of bytes');
  }
  return length;
};

const digestIn = (headers: IncomingHttpHeaders, name: string, bytes: number): string | undefined => {
  const text = headers[name];
  if (text === undefined) return undefined;
  const digest = Buffer.from(String(text), 'base64');
  if (digest.length !== bytes)
    throw new Problem('bad-request', `the ${name} header is no base64 digest of ${bytes} bytes`);
  return digest.toString('hex');
};

/**
 * Bytes between two flushes of a file that arrives. One flush at the end would take as long as the disk needs for all that
 * the system kept in memory, minutes for a large file on a slow disk, while whoever waits for the answer hears nothing.
 */
const flushEvery = 67_108_864;

/**
 * How long a body may arrive however slowly, and the bytes per second that it then needs to have come at. A sender that
 * is never silent for long could otherwise hold its connection for ever; a large file is given all the time that it takes.
 */
const slowMsMax = 6 * 3_600_000;
const bytesPerSecondMin = 100;

export type Receiving = {
  readonly file: string | undefined;
  readonly stallMs: number;
  /** A clock in milliseconds that is never set back. */
  readonly now?: () => number;
};

/**
 * Streams a body into a new file and flushes it to the disk, or only reads it when `file` is undefined. Throws when the
 * length or a digest does not hold, when no byte arrives for `stallMs`, however long the disk takes for what has arrived,
 * or when so few arrive that the sender only holds the connection; the caller removes the file.
 */
export const receive = async (body: Readable, declared: Declared, options: Receiving): Promise<Received> => {
  const { now = () => performance.now() } = options;
  const begun = now();
  const md5 = createHash('md5');
  const sha256 = declared.sha256 === undefined ? undefined : createHash('sha256');
  const target = options.file === undefined ? undefined : await open(options.file, 'wx', 0o600);
  let size = 0;
  try {
    let flushed = 0;
    for await (const chunk of arriving(body, options.stallMs)) {
      size += chunk.length;
      if (size > declared.length) throw lengthProblem(declared.length, `more than ${declared.length}`);
      if (now() - begun > slowMsMax + (size / bytesPerSecondMin) * 1_000) throw slowProblem(size);
      md5.update(chunk);
      sha256?.update(chunk);
      await target?.writeFile(chunk);
      if (size - flushed < flushEvery) continue;
      await target?.datasync();
      flushed = size;
    }
    await target?.sync();
  } finally {
    await target?.close();
  }
  if (size !== declared.length) throw lengthProblem(declared.length, String(size));
  const received = { size, md5: md5.digest('hex') };
  if (declared.md5 !== undefined && declared.md5 !== received.md5) throw checksumProblem('MD5');
  if (sha256 !== undefined && sha256.digest('hex') !== declared.sha256) throw checksumProblem('SHA-256');
  return received;
};

/**
 * The pieces of a body. Ends with a problem when the sender is silent for `stallMs`; the reader's own time counts for
 * nothing. A reader that stops early leaves the body open: what is to become of the rest is for who answers to say.
 */
async function* arriving(body: Readable, stallMs: number): AsyncGenerator<Buffer> {
  const stall = (): void => {
    body.destroy(new Problem('stalled', `no byte of the body arrived for ${stallMs} ms`));
  };
  let timer = setTimeout(stall, stallMs);
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      clearTimeout(timer);
      yield chunk;
      timer = setTimeout(stall, stallMs);
    }
  } finally {
    clearTimeout(timer);
  }
}

const slowProblem = (size: number): Problem =>
  new Problem('stalled', `only ${size} bytes of the body arrived in more than six hours`);

const lengthProblem = (declared: number, got: string): Problem =>
  new Problem('length-mismatch', `${declared} bytes were declared and ${got} arrived: nothing was stored`);

const checksumProblem = (kind: string): Problem =>
  new Problem('checksum-mismatch', `the ${kind} of the bytes that arrived is not the declared one: nothing was stored`);

import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { type Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Problem } from './problem.ts';

/** What the sender declares about a body. `length` is in bytes and must hold exactly. */
export type Declared = { readonly length: number; readonly md5?: string; readonly sha256?: string };

export type Received = { readonly size: number; readonly md5: string };

/** Reads what the headers of a save declare; digests are base64 in the headers and hex here. */
export const declaredBy = (headers: IncomingHttpHeaders): Declared => {
  const text = headers['content-length'] ?? headers['x-content-length'];
  if (typeof text !== 'string') {
    throw new Problem('length-required', 'declare the length with Content-Length (or X-Content-Length when chunked)');
  }
  const length = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(length)) {
    throw new Problem('bad-request', 'the declared length is no whole number of bytes');
  }
  const md5 = digestIn(headers, 'content-md5', 16);
  const sha256 = digestIn(headers, 'x-checksum-sha256', 32);
  return { length, ...(md5 && { md5 }), ...(sha256 && { sha256 }) };
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
 * Streams a body into a new file and flushes it to the disk, or only reads it when `file` is undefined. Throws when the
 * length or a digest does not hold, or when no byte arrives for `stallMs`; the caller removes the file.
 */
export const receive = async (
  body: Readable,
  declared: Declared,
  options: { file: string | undefined; stallMs: number },
): Promise<Received> => {
  const md5 = createHash('md5');
  const sha256 = declared.sha256 === undefined ? undefined : createHash('sha256');
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), options.stallMs);
  let size = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      timer.refresh();
      size += chunk.length;
      if (size > declared.length) return done(lengthProblem(declared.length, `more than ${declared.length}`));
      md5.update(chunk);
      sha256?.update(chunk);
      done(null, chunk);
    },
  });
  const target =
    options.file === undefined
      ? new Writable({ write: (_chunk, _encoding, done) => done() })
      : createWriteStream(options.file, { flags: 'wx', mode: 0o600, flush: true });
  try {
    await pipeline(body, measure, target, { signal: stalled.signal });
  } catch (error) {
    if (stalled.signal.aborted) throw new Problem('stalled', `no byte of the body arrived for ${options.stallMs} ms`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
  if (size !== declared.length) throw lengthProblem(declared.length, String(size));
  const received = { size, md5: md5.digest('hex') };
  if (declared.md5 !== undefined && declared.md5 !== received.md5) throw checksumProblem('MD5');
  if (sha256 !== undefined && sha256.digest('hex') !== declared.sha256) throw checksumProblem('SHA-256');
  return received;
};

const lengthProblem = (declared: number, got: string): Problem =>
  new Problem('length-mismatch', `${declared} bytes were declared and ${got} arrived: nothing was stored`);

const checksumProblem = (kind: string): Problem =>
  new Problem('checksum-mismatch', `the ${kind} of the bytes that arrived is not the declared one: nothing was stored`);

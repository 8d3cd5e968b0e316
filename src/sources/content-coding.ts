import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { codeOf, messageOf } from '../errors.ts';

const unzip = promisify(gunzip);

/** What `Content-Encoding` may say, as an answer names it. */
export const codingsTaken = 'gzip, identity';

/** Nothing that deflate writes holds more than this many bytes for each of its own. */
const ratioMax = 1_032;

/** How the body of a request is coded, by its `Content-Encoding`; undefined in a way that is not taken. */
export const codingOf = (header: string | undefined): 'gzip' | 'identity' | undefined => {
  const coding = (header ?? '').trim().toLowerCase();
  if (coding === 'gzip' || coding === 'x-gzip') return 'gzip';
  return coding === '' || coding === 'identity' ? 'identity' : undefined;
};

/** The most that a body of so many bytes can turn out to hold. */
export const mostHeld = (header: string | undefined, bytes: number): number =>
  codingOf(header) === 'gzip' ? bytes * ratioMax : bytes;

/** The body itself. Errors carry the status of the answer: 413 where it is larger than `bytesMax`, 400 where it is none. */
export const decodedBody = async (header: string | undefined, body: Buffer, bytesMax: number): Promise<Buffer> => {
  if (codingOf(header) !== 'gzip') return body;
  try {
    return await unzip(body, { maxOutputLength: bytesMax });
  } catch (error) {
    const isTooLarge = codeOf(error) === 'ERR_BUFFER_TOO_LARGE';
    const text = isTooLarge
      ? `the body holds more than ${bytesMax} bytes`
      : `the body is not what Content-Encoding says: ${messageOf(error)}`;
    throw Object.assign(new Error(text, { cause: error }), { statusCode: isTooLarge ? 413 : 400 });
  }
};

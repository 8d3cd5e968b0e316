import { FatalError, RetryableError } from '../errors.ts';
import { notAFileManager } from './client-errors.ts';
import type { FileManagerEntry } from './file-manager.ts';

const lineBytesMax = 65_536;

/**
 * The entries of a listing in JSON lines. A listing is only whole when its last line says so and counts right; paths must
 * ascend in byte order, so that a merge with another listing can trust it.
 */
export async function* entriesIn(pieces: AsyncIterable<Buffer>, type: string | null): AsyncGenerator<FileManagerEntry> {
  if (!type?.startsWith('application/x-ndjson')) throw notAFileManager('GET /files answered without JSON lines');
  let count = 0;
  let previous: Buffer = Buffer.alloc(0);
  let ended = false;
  for await (const line of linesIn(pieces)) {
    if (ended) throw notAFileManager('GET /files went on after its end');
    const value = parsed(line);
    if (value['end'] === true) {
      // Nobody can tell which are missing, so the rest alone would not mend it.
      if (value['count'] !== count) throw new FatalError(`GET /files gave ${count} entries and counted others`);
      ended = true;
      continue;
    }
    const entry = entryIn(value);
    const bytes = Buffer.from(entry.path);
    if (count > 0 && Buffer.compare(previous, bytes) >= 0) {
      throw new FatalError(
        "GET /files of the file manager is not in the byte order of the paths: it can't be compared",
      );
    }
    previous = bytes;
    count += 1;
    yield entry;
  }
  if (!ended) throw new RetryableError(`GET /files of the file manager broke off after ${count} entries`);
}

async function* linesIn(pieces: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      yield bytes.toString('utf8', start, end);
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > lineBytesMax) throw notAFileManager(`GET /files gave a line of more than ${lineBytesMax} bytes`);
  }
  if (rest.length > 0) throw new RetryableError('GET /files of the file manager broke off within a line');
}

const parsed = (line: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw notAFileManager('GET /files gave a line that is no JSON object');
};

const entryIn = (value: Record<string, unknown>): FileManagerEntry => {
  const { path, size, permissions, md5 } = value;
  if (typeof path !== 'string' || !Number.isSafeInteger(size) || (size as number) < 0) {
    throw notAFileManager('GET /files gave an entry without path and size');
  }
  return {
    path,
    size: size as number,
    permissions: typeof permissions === 'string' ? permissions : null,
    ...(typeof md5 === 'string' && { md5 }),
  };
};

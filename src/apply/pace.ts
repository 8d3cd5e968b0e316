import { Readable } from 'node:stream';
import { ConfigError } from '../errors.ts';
import type { FileManager } from '../file-manager/file-manager.ts';
import type { Clock } from './clock.ts';
import { createTokenBucket, type TokenBucket } from './token-bucket.ts';

/** What the operations of a cycle may ask of the file manager, together. Undefined is unlimited. */
export type PaceLimits = {
  readonly requestsPerSecond?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
};

/** With less, a single piece would take longer than a connection may be silent. */
const bytesPerSecondMin = 16_384;

/** A file manager whose five operations wait for their turn; the rest is as it was. */
export const paced = (fileManager: FileManager, limits: PaceLimits, clock: Clock): FileManager => {
  const { requestsPerSecond, bytesPerSecond } = limits;
  if (requestsPerSecond === undefined && bytesPerSecond === undefined) return fileManager;
  if (requestsPerSecond !== undefined && !(requestsPerSecond > 0))
    throw new ConfigError(`the limit on requests per second must be above 0, and is ${requestsPerSecond}`);
  if (bytesPerSecond !== undefined && !(bytesPerSecond >= bytesPerSecondMin))
    throw new ConfigError(
      `the limit on bytes per second must be at least ${bytesPerSecondMin}, and is ${bytesPerSecond}`,
    );
  const requests = requestsPerSecond === undefined ? undefined : createTokenBucket(requestsPerSecond, clock);
  const bytes = bytesPerSecond === undefined ? undefined : createTokenBucket(bytesPerSecond, clock);
  const turn = async (signal: AbortSignal | undefined): Promise<void> => requests?.take(1, signal);
  return {
    ...fileManager,
    saveToDisk: async (path, content, options) => {
      await turn(options.signal);
      const slowed = bytes && { body: slowedBody(content.body, bytes, options.signal) };
      await fileManager.saveToDisk(path, { ...content, ...slowed }, options);
    },
    updatePermissions: async (path, permissions, options) => {
      await turn(options.signal);
      await fileManager.updatePermissions(path, permissions, options);
    },
    delete: async (path, options) => {
      await turn(options.signal);
      await fileManager.delete(path, options);
    },
    rename: async (path, to, options) => {
      await turn(options.signal);
      await fileManager.rename(path, to, options);
    },
    move: async (path, to, options) => {
      await turn(options.signal);
      await fileManager.move(path, to, options);
    },
  };
};

const slowedBody = (body: Readable, bytes: TokenBucket, signal: AbortSignal | undefined): Readable => {
  const pieces = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      await bytes.take(chunk.length, signal);
      yield chunk;
    }
  };
  return Readable.from(pieces(), { objectMode: false, highWaterMark: 64 * 1024 });
};

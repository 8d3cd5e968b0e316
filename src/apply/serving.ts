import { Readable } from 'node:stream';

/** Whether bytes of an object are still to come from the bucket: then nobody has its content whole, and nobody stores it. */
export type Serving = { isAwaited: boolean };

/** The same bytes; `serving` tells of them until the last one of `length` is handed over. */
export const served = (body: Readable, length: number, serving: Serving): Readable => {
  async function* pieces(): AsyncGenerator<Buffer> {
    let left = length;
    serving.isAwaited = true;
    for await (const piece of body as AsyncIterable<Buffer>) {
      left -= piece.length;
      serving.isAwaited = false;
      yield piece;
      serving.isAwaited = left > 0;
    }
    serving.isAwaited = false;
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: 64 * 1024 });
};

import type { Message } from '../../events/message.ts';
import { FatalError, messageOf } from '../errors.ts';
import { type Line, type LineLimits, lineLimits, readLines } from './lines.ts';
import type { Delivery, Source } from './source.ts';

export type FileSourceOptions = {
  readonly stream: NodeJS.ReadableStream;
  /** Name in delivery ids: `NAME:LINE`. */
  readonly name: string;
  readonly toMessage: (line: Buffer) => Message;
  readonly limits?: LineLimits;
};

type Waiting = { readonly delivery: Delivery; readonly bytes: number };

const byteOrderMark = Buffer.from('\ufeff');

/** A file that some editors call empty holds a byte order mark. */
const isBlank = (line: Buffer): boolean => {
  const bytes = line.subarray(0, 3).equals(byteOrderMark) ? line.subarray(3) : line;
  return bytes.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d));
};

/** Whether the message is the beginning of a line that was too long to be one. */
export const isCutOff = ({ attributes }: Message): boolean =>
  ['line-bytes', 'line-sha256'].every((name) => Object.hasOwn(attributes, name));

/** Resolves with the work's result, or with `undefined` when time or signal came first. Leaves no timer behind. */
const within = async <T>(work: Promise<T>, ms: number | undefined, signal: AbortSignal): Promise<T | undefined> => {
  let leave: () => void = () => undefined;
  const left = new Promise<undefined>((resolve) => {
    leave = () => resolve(undefined);
  });
  const timer = ms === undefined ? undefined : setTimeout(leave, ms);
  signal.addEventListener('abort', leave);
  if (signal.aborted) leave();
  try {
    return await Promise.race([work, left]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', leave);
  }
};

/**
 * Messages from a file or standard input, one a line; blank lines are left out. A line that is too long is delivered as
 * unreadable, with its beginning. There is no broker behind it: `ack` forgets, `nack` puts lines back in front, and what
 * a crash left unread is read again by whoever ingests the file again.
 * Throws FatalError when the stream fails, after every line that was complete before.
 */
export const createFileSource = ({ stream, name, toMessage, limits = lineLimits }: FileSourceOptions): Source => {
  const reader = readLines(stream as AsyncIterable<string | Buffer>, limits);
  // An error that comes while nobody reads waits for the next read; without a listener it would end the process.
  stream.on('error', () => undefined);
  const sizes = new Map<Delivery, number>();
  let waiting: Waiting[] = [];
  let next: Promise<boolean> | undefined;
  let failure: FatalError | undefined;
  let ended = false;
  let linesRead = 0;

  const waitingOf = ({ number, bytes, oversize }: Line): Waiting => {
    const deliveryId = `${name}:${number}`;
    if (!oversize) return { delivery: { deliveryId, message: toMessage(bytes) }, bytes: bytes.length };
    const message = { body: bytes, attributes: { 'line-bytes': `${oversize.length}`, 'line-sha256': oversize.sha256 } };
    const unreadable = `line ${number} has ${oversize.length} bytes, more than the ${limits.bytesMax} that are read; its first ${bytes.length} are kept`;
    return { delivery: { deliveryId, message, unreadable }, bytes: bytes.length };
  };

  /** Reads on; true when something was added. One read at a time: who stops waiting leaves it to the next. */
  const more = (): Promise<boolean> => {
    const read = async (): Promise<boolean> => {
      try {
        const { value: lines, done } = await reader.next();
        if (done) ended = true;
        else {
          linesRead = lines.at(-1)?.number ?? linesRead;
          waiting.push(...lines.filter(({ bytes }) => !isBlank(bytes)).map(waitingOf));
        }
      } catch (error) {
        ended = true;
        const text = `cannot read on in ${name} after line ${linesRead}: ${messageOf(error)}; what was read before it is taken in, and reading the file again repeats nothing`;
        failure = new FatalError(text, { cause: error });
      }
      next = undefined;
      return !ended;
    };
    next ??= read();
    return next;
  };

  const isFull = ({ messagesMax, bytesMax }: { messagesMax: number; bytesMax: number }): boolean =>
    waiting.length >= messagesMax || waiting.reduce((sum, { bytes }) => sum + bytes, 0) >= bytesMax;

  const take = (messagesMax: number, bytesMax: number): readonly Delivery[] => {
    let count = 0;
    for (let bytes = 0; count < Math.min(messagesMax, waiting.length); count += 1) {
      bytes += waiting[count]?.bytes ?? 0;
      if (count > 0 && bytes > bytesMax) break;
    }
    const taken = waiting.slice(0, count);
    waiting = waiting.slice(count);
    for (const { delivery, bytes } of taken) sizes.set(delivery, bytes);
    return taken.map(({ delivery }) => delivery);
  };

  return {
    name: 'file',
    receive: async (batch, { signal, idleMs }) => {
      while (waiting.length === 0 && !ended && !signal.aborted)
        if ((await within(more(), idleMs, signal)) === undefined) break;
      const end = Date.now() + batch.lingerMs;
      while (waiting.length > 0 && !isFull(batch) && !ended && !signal.aborted)
        if ((await within(more(), Math.max(0, end - Date.now()), signal)) === undefined) break;
      if (signal.aborted) return [];
      if (waiting.length === 0 && failure) throw failure;
      return take(batch.messagesMax, batch.bytesMax);
    },
    ack: async (deliveries) => {
      for (const delivery of deliveries) sizes.delete(delivery);
    },
    nack: async (deliveries) => {
      const back = deliveries.flatMap((delivery) => {
        const bytes = sizes.get(delivery);
        sizes.delete(delivery);
        return bytes === undefined ? [] : [{ delivery, bytes }];
      });
      waiting = [...back, ...waiting];
    },
    close: async () => {
      ended = true;
      waiting = [];
      if ('destroy' in stream && typeof stream.destroy === 'function') stream.destroy();
    },
  };
};

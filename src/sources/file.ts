import { createInterface } from 'node:readline';
import type { Message } from '../../events/message.ts';
import type { Delivery, Source } from './source.ts';

export type FileSourceOptions = {
  readonly stream: NodeJS.ReadableStream;
  /** Name in delivery ids: `NAME:LINE`. */
  readonly name: string;
  readonly toMessage: (line: string) => Message;
  readonly lineBytesMax?: number;
};

const lineBytesMaxDefault = 16 * 1024 * 1024;

/** Messages from a file or standard input, one a line. A file is delivered once, so ack and nack have nothing to do. */
export const createFileSource = ({
  stream,
  name,
  toMessage,
  lineBytesMax = lineBytesMaxDefault,
}: FileSourceOptions): Source => {
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  const iterator = lines[Symbol.asyncIterator]();
  let number = 0;
  const deliveryOf = (line: string): Delivery => {
    const deliveryId = `${name}:${number}`;
    const bytes = Buffer.byteLength(line);
    if (bytes <= lineBytesMax) return { deliveryId, message: toMessage(line) };
    const reason = `line ${number} has ${bytes} bytes, more than ${lineBytesMax}`;
    return { deliveryId, message: { body: Buffer.alloc(0), attributes: { 'x-oversized': reason } } };
  };
  return {
    name: 'file',
    receive: async ({ messagesMax, bytesMax }, { signal }) => {
      const deliveries: Delivery[] = [];
      let bytes = 0;
      while (deliveries.length < messagesMax && bytes < bytesMax && !signal.aborted) {
        const { value, done } = await iterator.next();
        if (done) break;
        number += 1;
        if (value.trim() === '') continue;
        bytes += value.length;
        deliveries.push(deliveryOf(value));
      }
      return deliveries;
    },
    ack: async () => undefined,
    nack: async () => undefined,
    close: async () => lines.close(),
  };
};

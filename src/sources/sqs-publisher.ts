import { createHash } from 'node:crypto';
import { SendMessageBatchCommand, type SendMessageBatchRequestEntry } from '@aws-sdk/client-sqs';
import type { Message } from '../../events/message.ts';
import { RetryableError } from '../errors.ts';
import { counted } from '../text.ts';
import { connectSqs, isFifo, type SqsConnection, sendAll } from './sqs-client.ts';

export type SqsPublisher = {
  /**
   * Resolves when SQS has stored all of them. In a FIFO queue messages of one `group` keep their order (one group for all
   * by default), and the same body is stored once within five minutes. No request is sent after one of which something was
   * not taken; one message that SQS itself fails in a request of ten, and takes later, comes after the others of it.
   */
  publish(messages: readonly (Message & { readonly group?: string })[]): Promise<void>;
  close(): Promise<void>;
};

/** SQS takes 128 printable ASCII characters. */
const groupIdOf = (group: string): string =>
  /^[\x21-\x7e]{1,128}$/.test(group) ? group : createHash('sha256').update(group).digest('hex');

type Entry = SendMessageBatchRequestEntry & { readonly Id: string };

/** A message as SQS measures it: its body, and the name, type and value of each attribute. */
const bytesOf = ({ MessageBody = '', MessageAttributes = {} }: Entry): number =>
  Object.entries(MessageAttributes).reduce(
    (sum, [name, { DataType = '', StringValue = '' }]) => sum + Buffer.byteLength(`${name}${DataType}${StringValue}`),
    Buffer.byteLength(MessageBody),
  );

export const createSqsPublisher = (options: SqsConnection): SqsPublisher => {
  const client = connectSqs(options);
  const fifo = isFifo(options.queueUrl);
  return {
    async publish(messages) {
      const entries = messages.map(
        ({ body, attributes, group }, n): Entry => ({
          Id: String(n),
          MessageBody: body.toString('utf8'),
          MessageAttributes: Object.fromEntries(
            Object.entries(attributes).map(([name, StringValue]) => [name, { DataType: 'String', StringValue }]),
          ),
          ...(fifo && {
            MessageGroupId: groupIdOf(group ?? 'all'),
            MessageDeduplicationId: createHash('sha256').update(body).digest('hex'),
          }),
        }),
      );
      const lost = await sendAll(
        entries,
        options.queueUrl,
        (Entries) => client.send(new SendMessageBatchCommand({ QueueUrl: options.queueUrl, Entries })),
        { order: fifo ? 'kept' : 'any', bytesOf },
      );
      if (lost.length === 0) return;
      throw new RetryableError(
        `${counted(lost.length, 'message was', 'messages were')} not sent to ${options.queueUrl}, the first because of ${lost[0]?.reason}`,
      );
    },
    async close() {
      client.destroy();
    },
  };
};

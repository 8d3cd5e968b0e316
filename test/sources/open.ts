import { createReadStream } from 'node:fs';
import { unwrapLine } from '../../events/lines.ts';
import { createFileSource } from '../../src/sources/file.ts';
import { createHttpSource, type HttpSourceOptions } from '../../src/sources/http.ts';
import { createPubSubSource, type PubSubSourceOptions } from '../../src/sources/pubsub.ts';
import type { Source } from '../../src/sources/source.ts';
import { createSqsSource, type SqsSourceOptions } from '../../src/sources/sqs.ts';

/** What a process needs to know to open a source: plain data, so that another process can open the same one. */
export type SourceSpec =
  | ({ readonly kind: 'pubsub' } & PubSubSourceOptions)
  | ({ readonly kind: 'sqs' } & SqsSourceOptions)
  | ({ readonly kind: 'http' } & HttpSourceOptions)
  | { readonly kind: 'file'; readonly path: string };

export const openSpec = async (spec: SourceSpec): Promise<Source> => {
  switch (spec.kind) {
    case 'pubsub':
      return createPubSubSource(spec);
    case 'sqs':
      return createSqsSource(spec);
    case 'http':
      return createHttpSource(spec);
    case 'file':
      return createFileSource({
        stream: createReadStream(spec.path),
        name: 'file',
        toMessage: (line) => unwrapLine(line.toString()),
      });
  }
};

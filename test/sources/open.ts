import { createReadStream, rmSync, writeFileSync } from 'node:fs';
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
  | HttpSpec
  | { readonly kind: 'file'; readonly path: string };

/** Takes a free port, and writes it to this file for as long as it listens: see door.ts. */
type HttpSpec = { readonly kind: 'http'; readonly portFile: string } & Omit<HttpSourceOptions, 'host' | 'port'>;

const openReceiver = async ({ portFile, ...options }: HttpSpec): Promise<Source> => {
  const source = await createHttpSource({ ...options, host: '127.0.0.1', port: 0 });
  writeFileSync(portFile, new URL(source.url).port);
  return {
    ...source,
    close: () => {
      rmSync(portFile, { force: true });
      return source.close();
    },
  };
};

export const openSpec = async (spec: SourceSpec): Promise<Source> => {
  switch (spec.kind) {
    case 'pubsub':
      return createPubSubSource(spec);
    case 'sqs':
      return createSqsSource(spec);
    case 'http':
      return openReceiver(spec);
    case 'file':
      return createFileSource({
        stream: createReadStream(spec.path),
        name: 'file',
        toMessage: (line) => unwrapLine(line.toString()),
      });
  }
};

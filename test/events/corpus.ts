import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { unwrapLine } from '../../events/lines.ts';
import type { Message } from '../../events/message.ts';

/**
 * The sample messages: `NAME.json` (or `NAME.bin`, where the bytes are no text) is a body as the producer sends it, with
 * `NAME.attributes` beside it where the broker carries attributes; `NAME.line` is a whole delivery as one line of a file.
 * `NAME.golden` is what each comes to.
 */
export const corpusFolder = join(import.meta.dirname, '../../fixtures/messages');

export type Sample = {
  /** `group/name`. */
  readonly name: string;
  readonly file: string;
  readonly goldenFile: string;
  /** The bytes of the file. */
  readonly bytes: Buffer;
  readonly isLine: boolean;
  readonly attributes: Readonly<Record<string, string>>;
};

const attributesOf = (file: string): Record<string, string> => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
};

export const samples: readonly Sample[] = readdirSync(corpusFolder, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(json|bin|line)$/.test(file))
  .sort()
  .map((file) => {
    const name = file.replace(/\.\w+$/, '');
    const path = join(corpusFolder, file);
    return {
      name,
      file: path,
      goldenFile: join(corpusFolder, `${name}.golden`),
      bytes: readFileSync(path),
      isLine: file.endsWith('.line'),
      attributes: attributesOf(join(corpusFolder, `${name}.attributes`)),
    };
  });

/** The message that a sample's bytes, or changed ones in their place, are delivered as. */
export const messageOf = ({ isLine, attributes }: Sample, bytes: Buffer): Message =>
  isLine ? unwrapLine(bytes.toString('utf8').replace(/\n$/, '')) : { body: bytes, attributes };

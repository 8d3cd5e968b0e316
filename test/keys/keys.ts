import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Key = {
  readonly name: string;
  readonly key: string;
  /** What the reason says, for a key that no path can stand for; a regular expression. */
  readonly refused?: string;
};

/** Keys that break things. `fixtures/keys/keys.json` is pure ASCII, so that no editor can normalise what it holds. */
export const keys = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../fixtures/keys/keys.json'), 'utf8'),
) as readonly Key[];

/** Content by which files can be told apart. A folder's marker has none, unless it is there to be refused. */
export const contentOf = ({ key, refused }: Key): string =>
  key.endsWith('/') && refused === undefined ? '' : `content of ${JSON.stringify(key)}`;

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { conformance } from './conformance.ts';

conformance({
  silenceMs: 100,
  leaseMs: 100,
  remembersAcks: false,
  hasServer: false,
  test: (title, run) =>
    test(`file: ${title}`, (t) =>
      run(t, async () => {
        const folder = await freshFolder();
        const path = join(folder, 'events.jsonl');
        return {
          spec: { kind: 'file', path },
          send: (bodies) => writeFile(path, `${bodies.join('\n')}\n`),
          restart: async () => undefined,
          close: () => removeFolder(folder),
        };
      })),
});

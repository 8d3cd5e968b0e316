import { realpath } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import type { BackupStorage } from '../../src/file-manager/backup.ts';
import { createFileManagerClient, type FileManagerClient } from '../../src/file-manager/client.ts';
import { type RunningFileManager, startFileManager } from '../../src/file-manager/server.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { newKey, save, started } from './support.ts';

/** A backup storage in memory, of which the first `failures` saves fail, and what it holds. */
const inMemory = (place: string, failures = 0): { storage: BackupStorage; held: () => Record<string, string> } => {
  const stored = new Map<string, string>();
  const storage: BackupStorage = {
    place,
    put: async (path, file, length) => {
      if (failures-- > 0) throw new Error('unreachable');
      let value = '';
      if (length > 0) for await (const piece of file()) value += String(piece);
      stored.set(path, value);
    },
    remove: async (path) => void stored.delete(path),
    rename: async (path, to) => {
      const value = stored.get(path);
      if (value !== undefined) stored.set(to, value);
      stored.delete(path);
    },
  };
  return { storage, held: () => Object.fromEntries([...stored].sort()) };
};

const takenOver = async (server: RunningFileManager): Promise<void> => {
  while ((await server.backupPending()) > 0) await pause(20);
};

test('the backup storage gets every change, in order, and again after it has failed', async (t) => {
  const { storage, held } = inMemory('one', 1);
  const { client, server } = await started(t, { backup: storage });
  for (const path of ['d/x', 'd/y', 'e', 'f']) await save(client, path, path);
  await client.rename('d/', 'g/', newKey());
  await client.delete('e', { idempotencyKey: 'k' });
  await client.delete('f', newKey());
  await client.undo({ keys: ['k'] }, newKey());
  await takenOver(server);
  t.deepEqual(held(), { 'g/x': 'd/x', 'g/y': 'd/y', e: 'e' });
});

test('a backup storage gets what changed while there was none, or another one', async (t) => {
  const root = await realpath(await freshFolder());
  const during = async (backup: BackupStorage | undefined, work: (client: FileManagerClient) => Promise<void>) => {
    const server = await startFileManager({ host: '127.0.0.1', port: 0, root, ...(backup && { backup }) });
    await work(createFileManagerClient({ baseUrl: server.url }));
    await takenOver(server);
    await server.close();
  };
  const [one, other] = [inMemory('one'), inMemory('other')];
  await during(undefined, async (client) => {
    for (const path of ['a', 'b', 'c/']) await save(client, path, path.endsWith('/') ? '' : path);
  });
  await during(one.storage, async () => undefined);
  t.deepEqual(one.held(), { a: 'a', b: 'b', 'c/': '' });
  await during(undefined, async (client) => {
    await client.delete('a', newKey());
    await save(client, 'b', 'changed');
    await client.rename('c/', 'd/', newKey());
  });
  await during(one.storage, async () => undefined);
  t.deepEqual(one.held(), { b: 'changed', 'd/': '' });
  await during(other.storage, async () => undefined);
  t.deepEqual(other.held(), { b: 'changed', 'd/': '' });
  await removeFolder(root);
});

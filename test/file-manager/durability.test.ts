import { mkdir, readdir, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import { RetryableError } from '../../src/errors.ts';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import { startFileManager } from '../../src/file-manager/server.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { serverProcess } from './child.ts';
import { contentOf, holdings, newKey, save, started } from './support.ts';

const withRoot = async (t: { teardown: (work: () => Promise<void>) => void }): Promise<string> => {
  const root = await realpath(await freshFolder());
  t.teardown(() => removeFolder(root));
  return root;
};

test('a repeated key has no second effect, also after a restart', async (t) => {
  const root = await withRoot(t);
  const first = await started(t, { root });
  const keys = { save: newKey(), move: newKey(), remove: newKey() };
  await first.client.saveToDisk('a', contentOf('1'), keys.save);
  await first.client.move('a', 'b', keys.move);
  await first.client.delete('b', keys.remove);
  await save(first.client, 'b', 'later');
  await first.server.close();
  const { client } = await started(t, { root });
  await client.saveToDisk('a', contentOf('1'), keys.save);
  await client.move('a', 'b', keys.move);
  await client.delete('b', keys.remove);
  t.deepEqual(await holdings(client), { b: 'later' });
});

test('a key that belongs to another request is refused with 422', async (t) => {
  const { client } = await started(t);
  const key = newKey();
  await client.saveToDisk('a', contentOf('1'), key);
  await t.throwsAsync(client.saveToDisk('b', contentOf('1'), key), { message: /422/ });
  await t.throwsAsync(client.saveToDisk('a', contentOf('2'), key), { message: /422/ });
  await t.throwsAsync(client.saveToDisk('a', { ...contentOf('1'), permissions: '0600' }, key), { message: /422/ });
  const other = newKey();
  await client.saveToDisk('b', { ...contentOf('1'), permissions: '0600' }, other);
  for (const permissions of [undefined, '0640'])
    await t.throwsAsync(client.saveToDisk('b', { ...contentOf('1'), permissions }, other), { message: /422/ });
  await client.saveToDisk('b', { ...contentOf('1'), permissions: '0600' }, other);
  t.deepEqual(await holdings(client), { a: '1', b: '1 (0600)' });
  await client.delete('a', key);
  await t.throwsAsync(client.delete('b', key), { message: /422/ });
});

test('an answer from memory says so, and how old it is; a first one and a refusal do not', async (t) => {
  const { server } = await started(t);
  const ask = async (endpoint: string, init: RequestInit): Promise<[number, string | null, boolean]> => {
    const { status, headers } = await fetch(`${server.url}/${endpoint}`, init);
    return [status, headers.get('idempotent-replayed'), /^\d+$/.test(headers.get('age') ?? '')];
  };
  const save = { method: 'PUT', body: 'x', headers: { 'idempotency-key': 'k' } };
  const remove = (path: string): RequestInit => ({
    method: 'POST',
    body: JSON.stringify({ path }),
    headers: { 'idempotency-key': 'k', 'content-type': 'application/json' },
  });
  const first = [200, null, false] as const;
  const again = [200, 'true', true] as const;
  const refused = [422, null, false] as const;
  t.deepEqual(await ask('saveToDisk?path=a', save), [...first]);
  t.deepEqual(await ask('saveToDisk?path=a', save), [...again]);
  t.deepEqual(await ask('saveToDisk?path=a', { ...save, body: 'y' }), [...refused]);
  t.deepEqual(await ask('delete', remove('a')), [...first]);
  t.deepEqual(await ask('delete', remove('a')), [...again]);
  t.deepEqual(await ask('delete', remove('b')), [...refused]);
});

test('a refusal is not remembered: the same key succeeds once the way is free', async (t) => {
  const { client } = await started(t);
  const key = newKey();
  await save(client, 'a/x', '1');
  await t.throwsAsync(client.saveToDisk('a', contentOf('2'), key), { message: /409/ });
  await client.delete('a/', newKey());
  await client.saveToDisk('a', contentOf('2'), key);
  t.deepEqual(await holdings(client), { a: '2' });
});

test('two requests at once under one key have one effect and the same answer', async (t) => {
  const { client } = await started(t);
  await save(client, 'a', '1');
  const key = newKey();
  await Promise.all([client.rename('a', 'b', key), client.rename('a', 'b', key), client.rename('a', 'b', key)]);
  t.deepEqual(await holdings(client), { b: '1' });
});

test('kill -9 in the middle of an upload leaves the old content, and everything that was confirmed', async (t) => {
  const root = await withRoot(t);
  const server = await serverProcess(t, root);
  const client = createFileManagerClient({ baseUrl: server.url });
  await client.updatePermissions('a', 'opaque', newKey());
  await save(client, 'a', 'old');
  const key = newKey();
  const body = new PassThrough();
  body.write(Buffer.alloc(100_000));
  const upload = t.throwsAsync(client.saveToDisk('a', { body, length: 200_000 }, key), { instanceOf: RetryableError });
  while ((await readdir(join(root, '.s3-sync/tmp'))).length === 0) await pause(5);
  await server.kill();
  await upload;
  const again = createFileManagerClient({ baseUrl: (await serverProcess(t, root)).url });
  t.deepEqual(await holdings(again), { a: 'old (opaque)' });
  t.deepEqual(await readdir(join(root, '.s3-sync/tmp')), []);
  await again.saveToDisk('a', contentOf('new'), key);
  t.deepEqual(await holdings(again), { a: 'new (opaque)' });
});

const intentCases = [
  { title: 'before the move on disk', moved: false },
  { title: 'after the move on disk', moved: true },
];
for (const { title, moved } of intentCases) {
  test(`a folder rename that a crash cut ${title} is finished at start, and its key is remembered`, async (t) => {
    const root = await withRoot(t);
    const before = await started(t, { root });
    await before.client.updatePermissions('a/x', 'opaque', newKey());
    await save(before.client, 'a/x', '1');
    await save(before.client, 'b/y', '2');
    await before.server.close();
    // What the two commits of a rename leave when the process dies between them.
    const db = await openDatabase({ path: join(root, '.s3-sync/state.db'), mode: 'write' });
    const effect = { endpoint: 'rename', key: 'k', fingerprint: 'f' };
    const intent = { kind: 'relocate', path: 'a/', to: 'b/', name: 'replaced', effect, atMs: Date.now() };
    await db.run('INSERT INTO intent (body) VALUES (?)', [JSON.stringify(intent)]);
    await db.close();
    if (moved) {
      await rename(join(root, 'b'), join(root, '.s3-sync/trash/replaced'));
      await rename(join(root, 'a'), join(root, 'b'));
    }
    const { client } = await started(t, { root });
    t.deepEqual(await holdings(client), { 'b/x': '1 (opaque)' });
    await t.throwsAsync(client.rename('a/', 'b/', { idempotencyKey: 'k' }), { message: /422/ });
    await client.delete('b/', newKey());
    t.deepEqual((await client.undo({ keys: ['k'] }, newKey())).restored, ['b/']);
    t.deepEqual(await holdings(client), { 'b/y': '2' });
  });
}

test('a deletion that a crash cut is finished at start and can be undone', async (t) => {
  const root = await withRoot(t);
  const before = await started(t, { root });
  await save(before.client, 'a/x', '1');
  await before.server.close();
  const db = await openDatabase({ path: join(root, '.s3-sync/state.db'), mode: 'write' });
  const effect = { endpoint: 'delete', key: 'k', fingerprint: 'f' };
  const intent = { kind: 'delete', path: 'a/x', name: 'gone', effect, atMs: Date.now() };
  await db.run('INSERT INTO intent (body) VALUES (?)', [JSON.stringify(intent)]);
  await db.close();
  const { client } = await started(t, { root });
  t.deepEqual(await holdings(client), {});
  t.deepEqual((await client.undo({ keys: ['k'] }, newKey())).restored, ['a/x']);
  t.deepEqual(await holdings(client), { 'a/x': '1' });
});

for (const { title, moved } of intentCases) {
  test(`an undo that a crash cut ${title} is finished at start, permissions and all`, async (t) => {
    const root = await withRoot(t);
    const before = await started(t, { root });
    await before.client.updatePermissions('d/a', 'opaque', newKey());
    await save(before.client, 'd/a', '1');
    await before.client.delete('d/a', newKey());
    await before.server.close();
    const db = await openDatabase({ path: join(root, '.s3-sync/state.db'), mode: 'write' });
    const { name } = (await db.get<{ name: string }>('SELECT name FROM trash')) ?? { name: 'nothing is in the trash' };
    const intent = { kind: 'restore', path: 'd/a', name };
    await db.run('INSERT INTO intent (body) VALUES (?)', [JSON.stringify(intent)]);
    await db.close();
    if (moved) {
      await mkdir(join(root, 'd'));
      await rename(join(root, '.s3-sync/trash', name), join(root, 'd/a'));
    }
    const { client } = await started(t, { root });
    t.deepEqual(await holdings(client), { 'd/a': '1 (opaque)' });
    t.deepEqual((await client.undo({ paths: ['d/a'] }, newKey())).restored, [], 'nothing of it is left in the trash');
  });
}

test('a deletion that failed is not made up for at the next start: what was stored since stays', async (t) => {
  const { root, server, client } = await started(t);
  await save(client, 'a', 'old');
  const trash = join(root, '.s3-sync/trash');
  await rename(trash, `${trash}-away`);
  await writeFile(trash, 'no folder');
  const key = newKey();
  await t.throwsAsync(client.delete('a', key), { instanceOf: RetryableError, message: /answered 500/ });
  t.deepEqual(await holdings(client), { a: 'old' });
  await rm(trash);
  await rename(`${trash}-away`, trash);
  await client.delete('a', key);
  await save(client, 'a', 'new');
  await server.close();
  const again = await started(t, { root });
  t.deepEqual(await holdings(again.client), { a: 'new' });
});

test('what happened on disk and could not be written down is, before anything else changes', async (t) => {
  const root = await withRoot(t);
  const before = await started(t, { root });
  await save(before.client, 'a', 'old');
  await before.server.close();
  const db = await openDatabase({ path: join(root, '.s3-sync/state.db'), mode: 'write' });
  // No answer to a deletion can be kept until somebody has posted an event.
  await db.exec(`CREATE TRIGGER full BEFORE INSERT ON answer
    WHEN NEW.endpoint = 'delete' AND NOT EXISTS (SELECT 1 FROM inbox) BEGIN SELECT RAISE(ABORT, 'disk full'); END`);
  await db.close();
  const { server, client } = await started(t, { root });
  const key = newKey();
  await t.throwsAsync(client.delete('a', key), { message: /answered 500/ });
  await t.throwsAsync(save(client, 'a', 'new'), { message: /answered 500/ });
  await fetch(`${server.url}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  await save(client, 'a', 'new');
  await client.delete('a', key);
  t.deepEqual(await holdings(client), { a: 'new' }, 'the repeat gets the answer of the deletion that happened');
  await server.close();
  const again = await started(t, { root });
  t.deepEqual(await holdings(again.client), { a: 'new' });
  await again.client.delete('a', newKey());
  t.deepEqual((await again.client.undo({ keys: [key.idempotencyKey] }, newKey())).restored, ['a']);
  t.deepEqual(await holdings(again.client), { a: 'old' });
});

test('an interrupted change that no disk can make is given up at start, and the file manager starts', async (t) => {
  const root = await withRoot(t);
  const before = await started(t, { root });
  await save(before.client, 'a/x', '1');
  await save(before.client, 'b/y', '2');
  await before.server.close();
  const db = await openDatabase({ path: join(root, '.s3-sync/state.db'), mode: 'write' });
  const effect = { endpoint: 'rename', key: 'k', fingerprint: 'f' };
  const to = `new/${'n'.repeat(300)}/`;
  const intent = { kind: 'relocate', path: 'a/', to, name: 'replaced', effect, atMs: Date.now() };
  await db.run('INSERT INTO intent (body) VALUES (?)', [JSON.stringify(intent)]);
  await db.close();
  const { client, server } = await started(t, { root });
  t.deepEqual(await holdings(client), { 'a/x': '1', 'b/y': '2' });
  t.false((await readdir(root)).includes('new'), 'no folder of it is left');
  await server.close();
  const state = await openDatabase({ path: join(root, '.s3-sync/state.db'), mode: 'read' });
  t.deepEqual(await state.all('SELECT * FROM intent'), []);
  await state.close();
});

test('a second file manager on the same root is refused', async (t) => {
  const { root } = await started(t);
  await t.throwsAsync(startFileManager({ root, host: '127.0.0.1', port: 0 }), {
    instanceOf: RetryableError,
    message: /locked by another process/,
  });
});

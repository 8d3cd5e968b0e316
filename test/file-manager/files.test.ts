import { chmod, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { contentOf, holdings, newKey, save, started } from './support.ts';

test('permissions that were set before the content apply when it arrives, and later saves keep them', async (t) => {
  const { client, root } = await started(t);
  await client.updatePermissions('a/b', '0640', newKey());
  t.deepEqual(await holdings(client), {});
  await save(client, 'a/b', 'one');
  t.is((await stat(join(root, 'a/b'))).mode & 0o7777, 0o640);
  await save(client, 'a/b', 'two');
  t.deepEqual(await holdings(client), { 'a/b': 'two (0640)' });
});

test('permissions that come with the content take the place of those that were set before, and stay', async (t) => {
  const { client, root, server } = await started(t);
  const saveWith = (path: string, value: string, permissions: string) =>
    client.saveToDisk(path, { ...contentOf(value), permissions }, newKey());
  await client.updatePermissions('a', '0600', newKey());
  await saveWith('a', 'one', '0640');
  t.is((await stat(join(root, 'a'))).mode & 0o7777, 0o640);
  await save(client, 'a', 'two');
  t.deepEqual(await holdings(client), { a: 'two (0640)' });
  await client.updatePermissions('d/', '0600', { ...newKey(), recursive: false });
  await saveWith('d/', '', '0750');
  await save(client, 'd/', '');
  const odd = ['%', ' read, write ', 'ü\n\0', '中'.repeat(1_024), '😀'.repeat(512)];
  for (const [at, permissions] of odd.entries()) {
    await saveWith(`${at}`, 'x', permissions);
    const { headers } = await fetch(`${server.url}/content?path=${at}`);
    t.is(decodeURIComponent(headers.get('x-permissions') ?? ''), permissions);
  }
  const found: [string, string | null][] = [];
  for await (const { path, permissions } of client.list()) found.push([path, permissions]);
  const expected = [...odd.entries()].map(([at, permissions]) => [`${at}`, permissions]);
  t.deepEqual(found, [...expected, ['a', '0640'], ['d/', '0750']] as typeof found);
});

test('permissions that cannot be understood are refused by their name, and nothing is stored', async (t) => {
  const { client, server } = await started(t);
  await client.saveToDisk('a', { ...contentOf('old'), permissions: '0600' }, newKey());
  for (const [permissions, problem] of [
    ['%ff', /X-Permissions must be percent-encoded UTF-8/],
    ['0644, 0600', /X-Permissions must be percent-encoded UTF-8/],
    ['ü', /X-Permissions must be percent-encoded UTF-8/],
    ['', /"permissions" must be a string of 1 to 1024 characters/],
    ['x'.repeat(1_025), /"permissions" must be a string of 1 to 1024 characters/],
  ] as const) {
    const headers = { 'idempotency-key': 'k', 'x-permissions': permissions };
    const response = await fetch(`${server.url}/saveToDisk?path=a`, { method: 'PUT', body: 'new', headers });
    t.is(response.status, 400);
    t.regex(((await response.json()) as { detail: string }).detail, problem);
  }
  t.deepEqual(await holdings(client), { a: 'old (0600)' });
});

test('permissions that are no POSIX mode are kept as they are, and setuid never reaches the disk', async (t) => {
  const { client, root } = await started(t);
  await save(client, 'a', '1');
  await client.updatePermissions('a', 'team:read-only', newKey());
  t.deepEqual(await holdings(client), { a: '1 (team:read-only)' });
  await client.updatePermissions('a', '4755', newKey());
  t.is((await stat(join(root, 'a'))).mode & 0o7777, 0o755);
});

test('a mode that was changed past the file manager is told in place of the one that was recorded', async (t) => {
  const { client, root } = await started(t);
  await client.updatePermissions('a', '750', newKey());
  for (const name of ['a', 'nobody stated any']) await save(client, name, 'x');
  t.deepEqual(await holdings(client), { a: 'x (750)', 'nobody stated any': 'x' });
  for (const name of ['a', 'nobody stated any']) await chmod(join(root, name), 0o600);
  t.deepEqual(await holdings(client), { a: 'x (0600)', 'nobody stated any': 'x' });
  await client.updatePermissions('a', '4750', newKey());
  t.deepEqual(await holdings(client), { a: 'x (4750)', 'nobody stated any': 'x' });
});

test('a folder is renamed, moved, deleted and given permissions with all beneath it', async (t) => {
  const { client } = await started(t);
  await save(client, 'd/x', '1');
  await save(client, 'd/e/y', '2');
  await save(client, 'd0', 'beside');
  await client.updatePermissions('d/', '0600', newKey());
  await client.rename('d/', 'ü/', newKey());
  t.deepEqual(await holdings(client), { d0: 'beside', 'ü/e/y': '2 (0600)', 'ü/x': '1 (0600)' });
  await client.move('ü/', 'p/q/', newKey());
  t.deepEqual(await holdings(client), { d0: 'beside', 'p/q/e/y': '2 (0600)', 'p/q/x': '1 (0600)' });
  await client.delete('p/', newKey());
  t.deepEqual(await holdings(client), { d0: 'beside' });
});

test('permissions of a folder alone leave those of what is in it, and wait for the folder like those of a file', async (t) => {
  const { client } = await started(t);
  const alone = (permissions: string) => client.updatePermissions('d/', permissions, { ...newKey(), recursive: false });
  await alone('0750');
  await client.updatePermissions('d/x', '0600', newKey());
  await save(client, 'd/', '');
  await save(client, 'd/x', 'x');
  const permissions = async (): Promise<unknown> => {
    const all: Record<string, string | null> = {};
    for await (const entry of client.list()) all[entry.path] = entry.permissions;
    return all;
  };
  t.deepEqual(await permissions(), { 'd/': '0750', 'd/x': '0600' });
  await alone('0700');
  t.deepEqual(await permissions(), { 'd/': '0700', 'd/x': '0600' });
  await client.updatePermissions('d/', '0640', newKey());
  t.deepEqual(await permissions(), { 'd/': '0640', 'd/x': '0640' });
});

test('a rename replaces what is at its destination, a folder with all that was in it', async (t) => {
  const { client } = await started(t);
  for (const path of ['a', 'b', 'c/x', 'd/y']) await save(client, path, path);
  await client.rename('a', 'b', newKey());
  await client.rename('c/', 'd/', newKey());
  t.deepEqual(await holdings(client), { b: 'a', 'd/x': 'c/x' });
});

test('an explicit folder stays when it is empty, an implicit one goes', async (t) => {
  const { client, root } = await started(t);
  await save(client, 'kept/', '');
  await save(client, 'kept/x', '1');
  await save(client, 'gone/deep/x', '1');
  await client.delete('kept/x', newKey());
  await client.delete('gone/deep/x', newKey());
  t.deepEqual(await holdings(client), { 'kept/': '' });
  t.deepEqual((await readdir(root)).sort(), ['.s3-sync', 'kept']);
  await save(client, 'kept/y', '2');
  await client.delete('kept/', { ...newKey(), recursive: false });
  t.deepEqual(await holdings(client), { 'kept/y': '2' });
});

test('a file never takes the place of a folder, nor a folder that of a file', async (t) => {
  const { client } = await started(t);
  await save(client, 'f', '1');
  await save(client, 'd/x', '2');
  const refused = { message: /409.*(is a folder|is a file)/ };
  await t.throwsAsync(save(client, 'd', 'x'), refused);
  await t.throwsAsync(save(client, 'f/x', 'x'), refused);
  await t.throwsAsync(save(client, 'f/', ''), refused);
  await t.throwsAsync(client.rename('f', 'd', newKey()), refused);
  await t.throwsAsync(client.rename('d/', 'f/', newKey()), refused);
  await t.throwsAsync(client.move('d/', 'd/e/', newKey()), { message: /409.*within each other/ });
  t.deepEqual(await holdings(client), { 'd/x': '2', f: '1' });
});

test('names differ by case, and the listing is in the byte order of the paths across pages', async (t) => {
  const { client, server } = await started(t);
  const paths = ['A', 'a', 'a-b', 'a.d/x', 'a0', 'b/a/c', 'b/a-c', 'z\u{ff61}', 'z\u{1f600}', 'z\r\n%2F+ &?#"'];
  for (const path of paths) await save(client, path, path);
  const expected = paths.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  t.notDeepEqual(expected, paths.toSorted());
  t.deepEqual(Object.keys(await holdings(client)), expected);
  const paged: string[] = [];
  for (let after = ''; ; ) {
    const query = new URLSearchParams({ limit: '3', ...(after && { after }) });
    const response = await fetch(`${server.url}/files?${query}`);
    const page = (await response.json()) as { entries: { path: string }[]; next: string | null };
    paged.push(...page.entries.map(({ path }) => path));
    if (page.next === null) break;
    after = page.next;
  }
  t.deepEqual(paged, expected);
});

test('deleting what is not there succeeds, renaming it does not', async (t) => {
  const { client } = await started(t);
  await client.delete('x', newKey());
  await client.delete('x/', newKey());
  await t.throwsAsync(client.rename('x', 'y', newKey()), { message: /404/ });
  await t.throwsAsync(client.read('x'), { message: /404/ });
});

test('undo brings back what a key deleted, with its permissions, unless the path is taken again', async (t) => {
  const { client } = await started(t);
  await client.updatePermissions('d/x', '0600', newKey());
  for (const path of ['d/x', 'd/', 'e', 'f']) await save(client, path, path.endsWith('/') ? '' : path);
  await client.delete('d/', { idempotencyKey: 'one' });
  await client.delete('e', { idempotencyKey: 'two' });
  await client.delete('f', newKey());
  await save(client, 'e', 'newer');
  const undone = await client.undo({ keys: ['one', 'two'] }, newKey());
  t.deepEqual(undone.restored, ['d/']);
  t.deepEqual(
    undone.skipped.map(({ path }) => path),
    ['e'],
  );
  t.deepEqual((await client.undo({ paths: ['f'] }, newKey())).restored, ['f']);
  t.deepEqual(await holdings(client), { 'd/': '', 'd/x': 'd/x (0600)', e: 'newer', f: 'f' });
});

test('without a retention nothing is kept and the capability is not offered', async (t) => {
  const { client, root } = await started(t, { trashRetentionMs: 0 });
  await save(client, 'a', '1');
  await client.delete('a', { idempotencyKey: 'k' });
  t.deepEqual(await readdir(join(root, '.s3-sync/trash')), []);
  t.deepEqual((await client.undo({ keys: ['k'] }, newKey())).restored, []);
  t.false((await client.describe()).capabilities.includes('trash'));
});

test('a content of another length or checksum than declared is refused and leaves the old one', async (t) => {
  const { client, server, root } = await started(t);
  await save(client, 'a', 'old');
  const put = (headers: Record<string, string>) =>
    fetch(`${server.url}/saveToDisk?path=a`, {
      method: 'PUT',
      body: 'new',
      headers: { 'idempotency-key': 'k', ...headers },
    });
  t.is((await put({ 'content-md5': Buffer.alloc(16).toString('base64') })).status, 400);
  t.is((await put({ 'x-checksum-sha256': Buffer.alloc(32).toString('base64') })).status, 400);
  await t.throwsAsync(client.saveToDisk('a', { ...contentOf('12345'), length: 9 }, newKey()), {
    message: /not 9 bytes/,
  });
  await t.throwsAsync(client.saveToDisk('a', { ...contentOf('12345'), length: 2 }, newKey()), {
    message: /not 2 bytes/,
  });
  t.deepEqual(await holdings(client), { a: 'old' });
  t.deepEqual(await readdir(join(root, '.s3-sync/tmp')), []);
});

test('a chunked body is held to the length that X-Content-Length declares', async (t) => {
  const { client, server } = await started(t);
  const put = (length: string) =>
    fetch(`${server.url}/saveToDisk?path=a`, {
      method: 'PUT',
      body: new Blob(['new']).stream(),
      duplex: 'half',
      headers: { 'idempotency-key': 'k', 'x-content-length': length },
    } as RequestInit);
  t.deepEqual([(await put('9')).status, (await put('2')).status, (await put('x')).status], [400, 400, 400]);
  t.deepEqual(await holdings(client), {});
  t.is((await put('3')).status, 200);
  t.deepEqual(await holdings(client), { a: 'new' });
});

test('two lengths that contradict each other are refused, also where the body has one of them', async (t) => {
  const { client, server } = await started(t);
  const put = (length: string) =>
    fetch(`${server.url}/saveToDisk?path=a`, {
      method: 'PUT',
      body: '12345',
      headers: { 'idempotency-key': 'k', 'x-content-length': length },
    });
  const refused = await put('9');
  t.is(refused.status, 400);
  t.regex(refused.headers.get('content-type') ?? '', /^application\/problem\+json/);
  t.deepEqual(await holdings(client), {});
  t.is((await put('5')).status, 200);
});

test('reports and events are kept, newest first', async (t) => {
  const { client, server } = await started(t);
  await client.report({ cycle: 1 }, { idempotencyKey: 'r' });
  await client.report({ cycle: 1 }, { idempotencyKey: 'r' });
  await client.report({ cycle: 2 }, newKey());
  const { reports } = (await (await fetch(`${server.url}/reports`)).json()) as { reports: { report: unknown }[] };
  t.deepEqual(
    reports.map(({ report }) => report),
    [{ cycle: 2 }, { cycle: 1 }],
  );
  const headers = { 'content-type': 'application/json' };
  await fetch(`${server.url}/events`, { method: 'POST', headers, body: '[{"n":1},{"n":2}]' });
  const { events } = (await (await fetch(`${server.url}/events?limit=1`)).json()) as { events: { event: unknown }[] };
  t.deepEqual(
    events.map(({ event }) => event),
    [{ n: 2 }],
  );
  for (const body of ['[[1]]', '[{"n":3},[]]', '[null]']) {
    const { status } = await fetch(`${server.url}/events`, { method: 'POST', headers, body });
    t.is(status, 400, body);
  }
});

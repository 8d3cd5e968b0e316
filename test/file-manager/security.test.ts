import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import { StopError } from '../../src/file-manager/client-errors.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { holdings, newKey, save, started } from './support.ts';

const hostile = [
  '/etc/passwd',
  '../x',
  'a/../../x',
  './x',
  'a//b',
  '//x',
  '..',
  '.',
  'a/..',
  'a/./b',
  '',
  '/',
  'a\0b',
  'a/\0',
  '.s3-sync/state.db',
  '.s3-sync/',
  '.S3-SYNC/x',
  'x'.repeat(256),
  'é'.repeat(128),
  `${'a/'.repeat(1100)}b`,
  `${'a/'.repeat(512)}b`,
];

test('a path that is no percent-encoded UTF-8 is refused, and not taken for the name of another', async (t) => {
  const { server, client } = await started(t);
  await save(client, '%FF', 'of a key that is so named');
  for (const path of ['%FF', '%', 'a%c3%28', '%2', '%ed%a0%80']) {
    const headers = { 'idempotency-key': `k${path}`, 'content-type': 'application/octet-stream' };
    const saved = await fetch(`${server.url}/saveToDisk?path=${path}`, { method: 'PUT', headers, body: 'x' });
    t.is(saved.status, 400, path);
    t.is((await fetch(`${server.url}/content?path=${path}`)).status, 400, path);
  }
  t.deepEqual(await holdings(client), { '%FF': 'of a key that is so named' });
});

test('a path that could leave the root, or reach the state, is refused by every endpoint', async (t) => {
  const { client } = await started(t);
  await save(client, 'ok', '1');
  for (const path of hostile) {
    const refused = { message: /refused with 400: The path is not allowed/ };
    await t.throwsAsync(save(client, path, path.endsWith('/') ? '' : 'x'), refused, path);
    await t.throwsAsync(client.updatePermissions(path, '0644', newKey()), refused, path);
    await t.throwsAsync(client.delete(path, newKey()), refused, path);
    await t.throwsAsync(client.rename(path, 'x', newKey()), refused, path);
    await t.throwsAsync(client.move('ok', path, newKey()), refused, path);
    await t.throwsAsync(client.read(path), refused, path);
    await t.throwsAsync(client.undo({ paths: [path] }, newKey()), refused, path);
  }
  t.deepEqual(await holdings(client), { ok: '1' });
});

test('a path with line breaks or percent signs is only ever a path', async (t) => {
  const { client } = await started(t);
  const paths = ['a\r\nx-evil: 1', '%2e%2e%2fx', 'a?path=b&path=c', 'a#b', ' ', '\\..\\x', '\u202egpj'];
  for (const path of paths) await save(client, path, '1');
  t.deepEqual(Object.keys(await holdings(client)).sort(), paths.sort());
  await t.throwsAsync(save(client, 'a\ud800', '1'), { message: /surrogate/ });
});

test('symbolic links within the root are never followed, listed or replaced', async (t) => {
  const { client, root } = await started(t);
  const outside = await freshFolder();
  t.teardown(() => removeFolder(outside));
  await writeFile(join(outside, 'secret'), 'secret');
  await mkdir(join(root, 'd'));
  await symlink(outside, join(root, 'd/link'));
  await symlink(join(outside, 'secret'), join(root, 'file'));
  const refused = { message: /refused with 403.*symbolic link/ };
  for (const path of ['d/link/secret', 'd/link/new', 'file']) {
    await t.throwsAsync(save(client, path, 'x'), refused, path);
    await t.throwsAsync(client.read(path), refused, path);
    await t.throwsAsync(client.delete(path, newKey()), refused, path);
    await t.throwsAsync(client.rename(path, 'y', newKey()), refused, path);
    await t.throwsAsync(client.updatePermissions(path, '0777', newKey()), refused, path);
  }
  await t.throwsAsync(client.delete('d/link/', newKey()), refused);
  t.deepEqual(await holdings(client), {});
  await client.delete('d/', newKey());
  t.is(await readFile(join(outside, 'secret'), 'utf8'), 'secret');
});

test('without the token every endpoint but /health answers 401, and the client says which variable to check', async (t) => {
  const { server, client } = await started(t, { token: 'right' });
  await save(client, 'a', '1');
  for (const endpoint of server.endpoints) {
    const [method = '', path = ''] = endpoint.split(' ');
    const response = await fetch(`${server.url}${path}`, { method, headers: { authorization: 'Bearer righ' } });
    t.is(response.status, path === '/health' ? 200 : 401, endpoint);
    t.is(
      response.headers.get('content-type')?.split(';')[0],
      path === '/health' ? 'application/json' : 'application/problem+json',
    );
  }
  for (const [authorization, status] of [
    ['bearer right', 200],
    ['BEARER  right', 200],
    ['Bearer Right', 401],
    ['Basic right', 401],
    ['right', 401],
    ['', 401],
  ] as const)
    t.is((await fetch(`${server.url}/files`, { headers: { authorization } })).status, status, authorization);
  const wrong = createFileManagerClient({ baseUrl: server.url, token: 'canary-secret' });
  const error = await t.throwsAsync(wrong.describe(), { instanceOf: StopError, message: /FILE_MANAGER_TOKEN/ });
  t.false(error?.message.includes('canary-secret'));
});

/** Sends text as it is and returns all that comes back. */
const raw = async (url: string, request: string): Promise<string> => {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.write(request);
  return text(socket).catch(() => '');
};

/** The problem in an answer as it came over the wire. */
const problemOf = (answer: string): unknown => {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return /^content-type: application\/problem\+json/im.test(head) ? JSON.parse(body) : undefined;
};

test('what is no request is answered with a problem too', async (t) => {
  const { server } = await started(t);
  const tooLong = await raw(server.url, `GET /files HTTP/1.1\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`);
  t.like(problemOf(tooLong), { type: 'urn:s3-sync:problem:headers-too-large', status: 431 });
  const noRequest = await raw(server.url, 'hello\r\n\r\n');
  t.regex(noRequest, /^HTTP\/1\.1 400 Bad Request\r\n/);
  t.like(problemOf(noRequest), { type: 'urn:s3-sync:problem:bad-request', status: 400 });
});

test('oversized headers, oversized JSON and a body that trickles in are cut off', async (t) => {
  t.timeout(20_000);
  const { server, root } = await started(t, { stallMs: 200, jsonBodyTimeoutMs: 200 });
  const head = 'host: x\r\nidempotency-key: k\r\ncontent-type: application/json\r\n';
  t.regex(await raw(server.url, `GET / HTTP/1.1\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`), /^HTTP\/1.1 431/);
  t.regex(
    await raw(server.url, `POST /report HTTP/1.1\r\n${head}connection: close\r\ncontent-length: 99999999\r\n\r\n`),
    /^HTTP\/1.1 413/,
  );
  t.is(await raw(server.url, `POST /report HTTP/1.1\r\n${head}content-length: 10\r\n\r\n{`), '');
  for (const other of ['PUT /report', 'PUT /', 'PATCH /saveToDisk', 'DELETE /nosuch'])
    t.is(await raw(server.url, `${other} HTTP/1.1\r\n${head}content-length: 10\r\n\r\n{`), '', other);
  const put = `PUT /saveToDisk?path=a HTTP/1.1\r\n${head}connection: close\r\ncontent-length: 10\r\n\r\n12`;
  t.notRegex(await raw(server.url, put), /^HTTP\/1.1 200/);
  await t.throwsAsync(readFile(join(root, 'a')), { code: 'ENOENT' });
});

test('the server limits the time of headers, and of no request as a whole', async (t) => {
  const { server, client } = await started(t);
  const limits: unknown[] = [];
  const note = (message: unknown): void => {
    const told = (message as { readonly server: Server }).server;
    if ((told.address() as AddressInfo).port === Number(new URL(server.url).port))
      limits.push([told.headersTimeout, told.requestTimeout]);
  };
  subscribe('http.server.request.start', note);
  await client.describe();
  unsubscribe('http.server.request.start', note);
  t.deepEqual(limits, [[20_000, 0]]);
});

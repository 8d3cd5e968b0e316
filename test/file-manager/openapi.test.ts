import { readFile } from 'node:fs/promises';
import test from 'ava';
import { parse } from 'yaml';
import { started } from './support.ts';

type Operation = { readonly parameters?: readonly { readonly $ref?: string }[]; readonly responses: object };
type Document = { readonly paths: Record<string, Record<string, Operation>>; readonly components: object };

const document = parse(
  await readFile(new URL('../../src/file-manager/openapi.yaml', import.meta.url), 'utf8'),
) as Document;

test('the server has exactly the endpoints that openapi.yaml describes', async (t) => {
  const { server } = await started(t);
  const described = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  t.deepEqual([...server.endpoints].sort(), described.sort());
});

test('a request that no endpoint takes is told what to send instead', async (t) => {
  const { server } = await started(t);
  const answer = async (method: string, path: string, type?: string) => {
    const request = { method, ...(type !== undefined && { headers: { 'content-type': type }, body: '{}' }) };
    const response = await fetch(`${server.url}${path}`, request);
    const { detail } = (await response.json()) as { detail: string };
    return { status: response.status, allow: response.headers.get('allow'), detail };
  };
  for (const type of ['application/x-www-form-urlencoded', 'application/octet-stream', 'text/plain'])
    t.like(
      await answer('POST', '/delete', type),
      { status: 400, detail: 'send the body as JSON, with "Content-Type: application/json"' },
      type,
    );
  t.like(await answer('GET', '/delete?path=a'), { status: 405, allow: 'POST', detail: '/delete takes POST, not GET' });
  t.like(await answer('DELETE', '/report'), { status: 405, allow: 'POST' });
  t.like(await answer('DELETE', '/events'), { status: 405, allow: 'POST, GET' });
  t.like(await answer('GET', '/nothing'), { status: 404, allow: null });
});

test('every reference within openapi.yaml leads somewhere', (t) => {
  const references = JSON.stringify(document).match(/"#\/[^"]+"/g) ?? [];
  t.true(references.length > 20);
  for (const reference of references) {
    let at: unknown = document;
    for (const name of reference.slice(3, -1).split('/')) at = (at as Record<string, unknown>)[name];
    t.truthy(at, reference);
  }
});

test('an endpoint requires an Idempotency-Key exactly when openapi.yaml says so', async (t) => {
  const { server } = await started(t);
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      if (method === 'get') continue;
      const required = operation.parameters?.some(({ $ref }) => $ref?.endsWith('/Key')) ?? false;
      const fields = { path: 'a', to: 'b', permissions: '0644', keys: ['x'] };
      const response = await fetch(`${server.url}${path}?path=a`, {
        method: method.toUpperCase(),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(fields),
      });
      const { type } = (await response.json()) as { type?: string };
      t.is(type === 'urn:s3-sync:problem:key-missing', required, `${method} ${path}`);
    }
  }
});

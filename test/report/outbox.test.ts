import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import { deliverReports } from '../../src/report/delivery.ts';
import { postReport, readOutbox } from '../../src/report/outbox.ts';
import { isWorthReporting, type Report } from '../../src/report/report.ts';
import { started } from '../file-manager/support.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

const reportOf = (cycle: string, status: Report['status'] = 'done'): Report => ({
  format: 1,
  cycle,
  status,
  started_at: '2026-01-02T03:04:05.000Z',
  finished_at: '2026-01-02T03:04:06.000Z',
  duration_ms: 1_000,
  offset: 7,
  plan: 'p',
  planned: { save: 1 },
  operations: { save: 1 },
  states: { done: 1 },
  bytes: 3,
  retries: 0,
  failures: [],
  unplaceable: [],
  held: [],
  stopped: null,
  records: { files: 1, mirror: 1 },
});

const outboxOf = async (t: ExecutionContext): Promise<string> => {
  const folder = await freshFolder();
  t.teardown(() => removeFolder(folder));
  return join(folder, 'outbox');
};

type Received = { cycle: string; key: unknown; authorization: unknown };

/** An endpoint that notes every report and answers as `answer` says; 200 when it says nothing. */
const endpoint = async (
  t: ExecutionContext,
  answer: (response: ServerResponse, at: number, request: IncomingMessage) => void = (response) => void response.end(),
): Promise<{ url: string; received: Received[] }> => {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const { cycle } = (await json(request)) as Report;
    const { authorization } = request.headers;
    received.push({ cycle, key: request.headers['idempotency-key'], authorization });
    answer(response, received.length, request);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/reports?secret=canary`, received };
};

test('a report reaches every endpoint once, oldest first, with a key and its own token', async (t) => {
  const outbox = await outboxOf(t);
  const [a, b] = [await endpoint(t), await endpoint(t)];
  const endpoints = [{ url: a.url, token: 'for a' }, { url: b.url }];
  await postReport(outbox, endpoints, reportOf('2026-2'));
  await postReport(outbox, endpoints, reportOf('2026-1'));
  const delivered = await deliverReports(outbox, endpoints);
  t.deepEqual(
    delivered.map(({ delivered, waiting, refused }) => [delivered, waiting, refused]),
    [
      [2, 0, 0],
      [2, 0, 0],
    ],
  );
  for (const [{ received }, authorization] of [
    [a, 'Bearer for a'],
    [b, undefined],
  ] as const) {
    t.deepEqual(received, [
      { cycle: '2026-1', key: 'report-2026-1', authorization },
      { cycle: '2026-2', key: 'report-2026-2', authorization },
    ]);
  }
  await deliverReports(outbox, endpoints);
  t.is(a.received.length, 2, 'and is gone from the outbox');
});

for (const [title, answer, problem] of [
  ['answers 500', (response: ServerResponse) => void response.writeHead(500).end('no'), /it answered 500/],
  ['answers 404', (response: ServerResponse) => void response.writeHead(404).end('no'), /it answered 404/],
  ['cuts the connection', (response: ServerResponse) => void response.destroy(), /could not be reached/],
  ['says nothing', () => undefined, /did not answer within 200 ms/],
  [
    'redirects',
    (response: ServerResponse) => void response.writeHead(307, { location: '/elsewhere' }).end(),
    /redirect/,
  ],
] as const) {
  test(`an endpoint that ${title} fails nothing, holds up no other, and gets its reports later`, async (t) => {
    const outbox = await outboxOf(t);
    let mended = false;
    const bad = await endpoint(t, (response) => (mended ? void response.end() : answer(response)));
    const good = await endpoint(t);
    const endpoints = [{ url: bad.url }, { url: good.url }];
    for (const cycle of ['1', '2', '3']) await postReport(outbox, endpoints, reportOf(cycle));
    const [first, other] = await deliverReports(outbox, endpoints, { timeoutMs: 200 });
    t.deepEqual([first?.delivered, first?.waiting, other?.delivered], [0, 3, 3]);
    t.regex(first?.problem ?? '', problem);
    t.notRegex(first?.problem ?? '', /canary/, 'an address may hold a secret');
    t.is(bad.received.length, 1, 'it is not asked again for the others');
    mended = true;
    t.is((await deliverReports(outbox, endpoints))[0]?.delivered, 3);
    t.deepEqual(
      bad.received.slice(1).map(({ cycle }) => cycle),
      ['1', '2', '3'],
    );
    t.is(good.received.length, 3);
  });
}

test('a report that was taken, but whose confirmation was lost, comes again under the same key', async (t) => {
  const outbox = await outboxOf(t);
  const { url, received } = await endpoint(t, (response, at) => void (at === 1 ? response.destroy() : response.end()));
  await postReport(outbox, [{ url }], reportOf('1'));
  await deliverReports(outbox, [{ url }]);
  await deliverReports(outbox, [{ url }]);
  t.deepEqual(
    received.map(({ key }) => key),
    ['report-1', 'report-1'],
  );
});

test('a report that is refused for good is set aside, and those behind it are delivered', async (t) => {
  const outbox = await outboxOf(t);
  const { url } = await endpoint(t, (response, at) => void response.writeHead(at === 1 ? 422 : 200).end());
  for (const cycle of ['1', '2']) await postReport(outbox, [{ url }], reportOf(cycle));
  const [delivered] = await deliverReports(outbox, [{ url }]);
  t.like(delivered, { delivered: 1, waiting: 0, refused: 1, problem: 'it answered 422' });
  const [folder = ''] = await readdir(outbox);
  t.deepEqual(await readdir(join(outbox, folder, 'refused')), ['1.json']);
  t.is((await readOutbox(outbox, [{ url }])).waiting, 0, 'what is refused for good waits for nothing');
});

test('what waits for an endpoint that is not configured any more is told apart, with where it lies', async (t) => {
  const outbox = await outboxOf(t);
  const [kept, gone] = [{ url: 'http://127.0.0.1:1/report' }, { url: 'http://127.0.0.1:1/report?secret=rotated' }];
  await postReport(outbox, [kept, gone], reportOf('1'));
  await postReport(outbox, [gone], reportOf('2'));
  const all = await readOutbox(outbox, [kept, gone]);
  t.deepEqual(all, { waiting: 3, unclaimed: { reports: 0, folders: [] } });
  const { waiting, unclaimed } = await readOutbox(outbox, [kept]);
  t.deepEqual([waiting, unclaimed.reports, unclaimed.folders.length], [1, 2, 1]);
  t.deepEqual(await readOutbox(outbox, []), all, 'who has no endpoints does not know whose reports these are');
  t.deepEqual((await readdir(unclaimed.folders[0] ?? '')).sort(), ['1.json', '2.json']);
});

test('an answer that never ends is not read', async (t) => {
  const outbox = await outboxOf(t);
  const { url } = await endpoint(t, (response) => void response.writeHead(200).write('x'));
  await postReport(outbox, [{ url }], reportOf('1'));
  t.is((await deliverReports(outbox, [{ url }], { timeoutMs: 5_000 }))[0]?.delivered, 1);
});

test('an outbox is bounded, and a backlog is delivered over several cycles', async (t) => {
  const outbox = await outboxOf(t);
  const { url, received } = await endpoint(t);
  for (let at = 0; at < 1_010; at++) await postReport(outbox, [{ url }], reportOf(String(at).padStart(5, '0')));
  const [first] = await deliverReports(outbox, [{ url }]);
  t.like(first, { delivered: 20, waiting: 980 });
  t.is(received[0]?.cycle, '00010', 'the oldest gave way');
});

test('the reference file manager takes reports', async (t) => {
  const outbox = await outboxOf(t);
  const { server } = await started(t, { token: 'secret' });
  const endpoints = [{ url: `${server.url}/report`, token: 'secret' }];
  await postReport(outbox, endpoints, reportOf('1'));
  t.like((await deliverReports(outbox, endpoints))[0], { delivered: 1, waiting: 0 });
  await t.notThrowsAsync(createFileManagerClient({ baseUrl: server.url, token: 'secret' }).describe());
});

test('only cycles in which something happened are reported', (t) => {
  const worth = (['idle', 'dry-run', 'done', 'partial', 'held'] as const).filter((status) =>
    isWorthReporting(reportOf('1', status)),
  );
  t.deepEqual(worth, ['done', 'partial', 'held']);
});

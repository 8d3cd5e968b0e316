import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test from 'ava';
import { answer, startProxy } from '../apply/real.ts';
import { runCli, startCli } from '../support/cli.ts';
import { createWorld, environmentOf } from '../support/world.ts';

/** What a daemon logged until its first cycle had ended. */
const firstCycle = async (environment: Record<string, string>): Promise<string> => {
  const daemon = startCli(['daemon'], { ...environment, SYNC_INTERVAL: '3600', LOG_LEVEL: 'info' });
  const lines = createInterface({ input: daemon.child.stderr as NodeJS.ReadableStream });
  await Promise.race([
    new Promise<void>((resolve) => lines.on('line', (line) => /cycle (ended|failed)/.test(line) && resolve())),
    once(daemon.child, 'close'),
  ]);
  daemon.child.kill('SIGTERM');
  return (await daemon.finished).stderr;
};

const event = { id: 'e1', type: 'create', time: '2026-01-01T00:00:00Z', path: 'u/1', size: 3 };
const beginnings = [
  { title: 'a listing of one prefix', words: ['initial-sync', '--prefix', 'u/1'], input: '' },
  { title: 'an event that was ingested', words: ['ingest', '-'], input: JSON.stringify(event) },
];
for (const { title, words, input } of beginnings) {
  test(`after ${title} the daemon lists the bucket as a whole, once`, async (t) => {
    t.timeout(120_000);
    const world = await createWorld();
    const environment = environmentOf(world);
    await world.release();
    for (const path of ['u/1', 'v/1', 'w']) await world.writer.put(path, Buffer.from('abc'));
    const begun = await runCli(words, environment, input);
    t.is(begun.code, 0, begun.stderr);
    t.regex(await firstCycle(environment), /the bucket is listed first/);
    const { stdout } = await runCli(['status', '--json'], environment);
    t.like(JSON.parse(stdout), { bucket_listed: true, records: { files: 3, mirror_files: 3 } });
    t.notRegex(await firstCycle(environment), /the bucket is listed first/);
    await world.close();
  });
}

test('while the bucket cannot be listed, the daemon carries over what the log knows', async (t) => {
  t.timeout(120_000);
  const world = await createWorld();
  const environment = environmentOf(world);
  await world.put('u/1', 'abc');
  await world.writer.put('v/1', Buffer.from('abc'));
  await world.release();
  const refused = '<Error><Code>AccessDenied</Code><Message>no listing</Message></Error>';
  const url = await startProxy(t, world.s3.url, async ({ url: address }, response) =>
    address?.includes('list-type=2') && !address.includes('max-keys=1&')
      ? answer(response, 403, refused, { 'content-type': 'application/xml' })
      : false,
  );
  t.regex(await firstCycle({ ...environment, CUSTOMER_S3_ENDPOINT: url }), /the bucket was not listed: .*cycle ended/s);
  const status = async () => JSON.parse((await runCli(['status', '--json'], environment)).stdout);
  t.like(await status(), { bucket_listed: false, records: { files: 1, mirror_files: 1 } });
  const { stdout } = await runCli(['status'], environment);
  t.regex(stdout, /Bucket {7}1 file, 3 B; it was not listed as a whole yet: 's3-sync/);
  t.regex(stdout, /Last cycle {3}(idle|done)/, 'it looks well otherwise');
  await world.close();
});

test('a dry run of the first listing counts the keys that cannot be paths', async (t) => {
  t.timeout(60_000);
  const world = await createWorld();
  const environment = environmentOf(world);
  await world.release();
  for (const key of ['a', 'b//c']) await world.writer.put(key, Buffer.from('abc'));
  const { code, stdout, stderr } = await runCli(['initial-sync', '--dry-run'], environment);
  t.is(code, 0, stderr);
  t.is(stdout, '2 objects listed: 1 to add, 0 to renew, 0 gone; 1 key cannot be a path\n');
  await world.close();
});

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import test, { type ExecutionContext } from 'ava';
import { unknownAt } from '../../src/cycle/under-way.ts';
import { RetryableError } from '../../src/errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { openProjector } from '../../src/projector/projector.ts';
import { type FileManagerScanOptions, scanFileManager } from '../../src/scan/scan-file-manager.ts';
import { runCli } from '../support/cli.ts';
import { viewsOf } from '../support/views.ts';
import { createWorld, environmentOf, type World } from '../support/world.ts';
import { worldTest } from '../support/world-test.ts';

const withWorld = worldTest({ timeoutMs: 90_000 });

const disk = (world: World, path: string): string => join(world.folder, 'files', path);

/** What was found, without what there was nothing of. */
const scan = async (world: World, options: Partial<FileManagerScanOptions> = {}): Promise<object> => {
  const { bucket, client } = world;
  const { compared, complete, ...found } = await scanFileManager({
    workspace: world.workspace(),
    bucket,
    fileManager: client,
    ...options,
  });
  if (!complete || compared === 0) throw new Error('the scan broke off');
  return Object.fromEntries(Object.entries(found).filter(([, count]) => count > 0));
};

/** The views are those of a log that is folded from its beginning. */
const replaysAlike = async (t: ExecutionContext, world: World): Promise<void> => {
  const { log, projector } = world.workspace();
  const again = await openProjector({
    path: join(world.folder, 'again.db'),
    logPath: log.database.path,
    logId: log.logId,
    rebuilding: true,
  });
  await again.catchUp();
  t.is(await viewsOf(again), await viewsOf(projector));
  await again.close();
};

withWorld(
  'what was lost, altered or added past the service is put right by the next cycle, each time',
  async (t, world) => {
    for (const path of ['lost', 'longer', 'd/', 'd/kept', 'mode', 'unset'])
      await world.put(
        path,
        path.endsWith('/') ? '' : `content of ${path}`,
        path.endsWith('/') ? {} : { permissions: '0644' },
      );
    await world.cycle();
    t.deepEqual(await scan(world), {}, 'nothing to do when both are equal');
    const last = await world.workspace().log.last();
    t.deepEqual(await scan(world, { checksum: true }), {});
    t.is(await world.workspace().log.last(), last);
    for (const round of ['first', 'second']) {
      await rm(disk(world, 'lost'));
      await writeFile(disk(world, 'longer'), `${round}: another content, and a longer one`);
      await writeFile(disk(world, 'unknown'), round);
      await mkdir(disk(world, 'x'), { recursive: true });
      await writeFile(disk(world, 'x/unknown'), round);
      await world.client.updatePermissions('mode', '0600', { idempotencyKey: `chmod-${round}` });
      await world.client.delete('d/', { idempotencyKey: `folder-${round}`, recursive: false });
      t.is((await world.cycle()).report.status, 'idle', 'no event told of it');
      const found = { missing: 2, unknown: 2, different: 2 };
      t.deepEqual(await scan(world, { dryRun: true }), found);
      t.deepEqual(await scan(world), found);
      t.deepEqual(await scan(world), {}, 'what is known to be wrong is found once');
      t.deepEqual(await scan(world, { checksum: true }), {});
      await replaysAlike(t, world);
      const { report } = await world.cycle();
      t.is(report.status, 'done');
      t.deepEqual(report.operations, { save: 3, update_permissions: 1, delete: 2 });
      t.deepEqual(await world.differences(), []);
      t.is((await world.cycle()).report.status, 'idle');
    }
  },
);

withWorld('bytes of the same length are found by their MD5, or by reading them', async (t, world) => {
  await world.put('told', 'first');
  await world.put('untold', 'first');
  await world.put('encrypted', 'first', { etag: 'f'.repeat(32) });
  const bucket = { ...world.bucket, get: (key: string) => world.bucket.get(key) };
  await world.cycle({ bucket });
  await world.client.saveToDisk(
    'told',
    { body: Readable.from(Buffer.from('other'), { objectMode: false }), length: 5 },
    { idempotencyKey: 'past-the-service' },
  );
  await writeFile(disk(world, 'untold'), 'other');
  t.deepEqual(await scan(world, { bucket, dryRun: true }), { different: 1 });
  t.deepEqual(await scan(world, { bucket, checksum: true }), { different: 2 });
  await world.cycle({ bucket });
  t.is(await readFile(disk(world, 'told'), 'utf8'), 'first');
  t.is(await readFile(disk(world, 'untold'), 'utf8'), 'first');
});

withWorld(
  'a file that was replaced, as its object was, without the log knowing of it is different',
  async (t, world) => {
    await world.put('a', 'first');
    await world.cycle();
    await world.writer.put('a', Buffer.from('other'));
    await world.client.saveToDisk(
      'a',
      { body: Readable.from(Buffer.from('other'), { objectMode: false }), length: 5 },
      { idempotencyKey: 'by-the-log-that-was-lost' },
    );
    t.deepEqual(await scan(world), { different: 1 });
    await world.put('a', 'other');
    t.is((await world.cycle()).report.status, 'done');
    t.deepEqual(await world.differences(), []);
  },
);

withWorld('deletes of files that nobody knew of are held like any others', async (t, world) => {
  await world.put('a', 'content');
  await world.cycle();
  for (let at = 0; at < 20; at++) await writeFile(disk(world, `unknown${at}`), 'x');
  t.deepEqual(await scan(world), { unknown: 20 });
  const { report, plan } = await world.cycle();
  t.is(report.status, 'held');
  t.is(plan.steps.length, 20);
});

withWorld(
  'what a log from a backup does not know is not carried over again, and goes with its object',
  async (t, world) => {
    for (const [path, text] of [
      ['stays', 'content'],
      ['goes', 'content too'],
      ['d/', ''],
    ] as const) {
      await world.put(path, text);
      // By an operation that the log has lost.
      await world.client.saveToDisk(
        path,
        { body: Readable.from(Buffer.from(text), { objectMode: false }), length: text.length },
        { idempotencyKey: `lost-${path}` },
      );
    }
    await world.writer.delete('goes');
    await world.append({ type: 'delete', path: 'goes' });
    t.deepEqual(await scan(world), { unknown: 3 });
    const { report } = await world.cycle();
    t.deepEqual([report.status, report.operations], ['done', { delete: 1 }]);
    t.deepEqual(await world.differences(), []);
    t.deepEqual(await world.workspace().projector.database.all('SELECT * FROM dirty'), []);
    await replaysAlike(t, world);
  },
);

withWorld(
  'nothing is recorded where an operation is under way, and the prefix leaves out the rest',
  async (t, world) => {
    await world.put('a', 'first');
    await world.put('b', 'first');
    await world.cycle();
    await world.put('a', 'longer than before');
    const unconfirmed: FileManager = {
      ...world.client,
      saveToDisk: async (path, content, options) => {
        await world.client.saveToDisk(path, content, options);
        throw new RetryableError('the connection was lost before the answer');
      },
    };
    await world.cycle({ fileManager: unconfirmed, retry: { attemptsMax: 1 } });
    await rm(disk(world, 'b'));
    const last = await world.workspace().log.last();
    t.deepEqual(await scan(world, { prefix: 'a' }), { under_way: 1 });
    t.is(await world.workspace().log.last(), last);
    t.deepEqual(await scan(world), { under_way: 1, missing: 1 });
    await world.cycle();
    t.deepEqual(await world.differences(), []);
  },
);

test('a file that stands where an undo finds nothing in the trash is still deleted by the next cycle', async (t) => {
  t.timeout(90_000);
  const world = await createWorld({ trashRetentionMs: 3_600_000 });
  await world.put('a', 'content');
  await world.cycle();
  await world.writer.delete('a');
  await world.append({ type: 'delete', path: 'a' });
  const { plan } = await world.cycle();
  // Brought back past the service: the trash holds it no more.
  const keys = plan.steps.map(({ operation }) => operation.op_id);
  await world.client.undo({ keys }, { idempotencyKey: 'past-the-service' });
  t.deepEqual(await scan(world), { unknown: 1 });
  await world.release();
  const undone = await runCli(['undo', plan.id, '--json'], environmentOf(world));
  t.deepEqual(JSON.parse(undone.stdout), { plan: plan.id, restored: [], skipped: [], not_in_trash: ['a'] });
  const { stdout } = await runCli(['incremental-sync', '--json'], environmentOf(world));
  t.deepEqual(JSON.parse(stdout).operations, { delete: 1 });
  await world.close();
});

test('what undo brought back stays what waits for a person, however it was altered since', async (t) => {
  t.timeout(90_000);
  const world = await createWorld({ trashRetentionMs: 3_600_000 });
  await world.put('a', 'content', { permissions: '0644' });
  await world.put('keep', 'content');
  await world.cycle();
  await world.writer.delete('a');
  await world.append({ type: 'delete', path: 'a' });
  const { plan } = await world.cycle();
  await world.release();
  t.is((await runCli(['undo', plan.id], environmentOf(world))).code, 0);
  await world.client.updatePermissions('a', '0600', { idempotencyKey: 'past-the-service' });
  const found = await runCli(['reconcile', '--file-manager', '--json'], environmentOf(world));
  t.like(JSON.parse(found.stdout), { compared: 2, different: 0 });
  const { stdout } = await runCli(['incremental-sync', '--json'], environmentOf(world));
  t.like(JSON.parse(stdout), { operations: {}, withheld: { files: 1 } });
  t.is(await readFile(disk(world, 'a'), 'utf8'), 'content');
  await world.close();
});

withWorld('where it is noted that something may be there, nothing is recorded', async (t, world) => {
  const { log } = world.workspace();
  await log.append([unknownAt('a', await log.last())]);
  const last = await log.last();
  t.deepEqual(await scan(world), {});
  t.is(await log.last(), last);
});

withWorld('the command says what it found, and what is to be done', async (t, world) => {
  await world.put('a', 'content');
  await world.cycle();
  await rm(disk(world, 'a'));
  await world.release();
  const environment = environmentOf(world);
  const dry = await runCli(['reconcile', '--file-manager', '--dry-run'], environment);
  t.is(dry.stdout, '1 path compared; would be appended: 1 missing in the file manager, 0 only there,\n  0 different\n');
  const { code, stdout } = await runCli(['reconcile', '--file-manager', '--checksum'], environment);
  t.is(code, 0);
  t.regex(stdout, /; appended: 1 missing [^;]*different\nthe next cycle puts them right\n/);
  t.is((await runCli(['incremental-sync'], environment)).code, 0);
  t.is(await readFile(disk(world, 'a'), 'utf8'), 'content');
  const wrong = await runCli(['reconcile', '--checksum'], environment);
  t.is(wrong.code, 2);
});

withWorld('the key of a file is read that it has after a rename', async (t, world) => {
  await world.writer.put('stored-under', Buffer.from('the content'));
  const { etag } = (await world.bucket.head('stored-under')) ?? { etag: '' };
  await world.append({ type: 'create', path: 'p', key: 'stored-under', size: 11, etag });
  await world.cycle();
  await world.writer.put('q', Buffer.from('the content'));
  await world.writer.delete('stored-under');
  await world.append({ type: 'rename', path: 'p', to: 'q', key: 'q' });
  t.deepEqual((await world.cycle()).report.operations, { rename: 1 });
  t.deepEqual(await scan(world, { checksum: true }), {});
});

withWorld('the keys of files are read that they have after their whole folder moved', async (t, world) => {
  // Where each object lies while its file is beneath `d/`, and afterwards, beneath `e/`.
  const places = [
    { name: 'comes', before: 'stored/comes', after: 'e/comes' },
    { name: 'follows', before: 'd/follows', after: 'e/follows' },
    { name: 'goes', before: 'd/goes', after: 'stored/goes' },
    { name: 'stays', before: 'stored/stays', after: 'stored/stays' },
  ];
  for (const { name, before: key } of places) await world.put(`d/${name}`, `content of ${name}`, { key });
  for (const { name, before } of places) {
    if (before !== `d/${name}`) await world.writer.copy(`d/${name}`, before);
    if (before !== `d/${name}`) await world.writer.delete(`d/${name}`);
  }
  await world.cycle();
  for (const { name, before, after: key } of places) {
    if (before !== key) await world.writer.copy(before, key);
    if (before !== key) await world.writer.delete(before);
    await world.append({ type: 'move', path: `d/${name}`, to: `e/${name}`, key });
  }
  t.is((await world.cycle()).report.status, 'done');
  t.deepEqual(await scan(world, { checksum: true }), {});
  t.is((await world.cycle()).report.status, 'idle');
});

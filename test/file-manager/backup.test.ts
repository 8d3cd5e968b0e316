import { readdir, readlink, realpath } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { FatalError } from '../../src/errors.ts';
import type { BackupStorage } from '../../src/file-manager/backup.ts';
import { createFileManagerClient, type FileManagerClient } from '../../src/file-manager/client.ts';
import { startFileManager } from '../../src/file-manager/server.ts';
import type { Access } from '../bucket/support.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { randomOf, seedOf } from '../support/seed.ts';
import { serverTest } from '../support/servers.ts';
import { backupBucket, type Fate, healthOf, heard, takenOver, until } from './backup-support.ts';
import { contentOf, holdings, newKey, save, started } from './support.ts';

/** A path that the file manager takes, and whose key S3 refuses as too long. */
const tooLong = `${'x'.repeat(200)}/`.repeat(5) + 'x'.repeat(100);

/** Waits that a test can wait for. */
const short = { away: { first: 20, most: 100 }, failed: { first: 50, most: 100 }, between: 1 };

serverTest('fauxqs', 'the backup storage gets every change, in order, and again after it has failed', async (t, s3) => {
  const bucket = await backupBucket(t, s3);
  let cuts = 2;
  bucket.fate = (asked) => (asked === 'PUT d/x' && cuts-- > 0 ? 'cut' : 'pass');
  const { client, server } = await started(t, { backup: bucket.storage, backupWaits: short });
  for (const path of ['d/x', 'd/y', 'e', 'f']) await save(client, path, path);
  await client.rename('d/', 'g/', newKey());
  await client.delete('e', { idempotencyKey: 'k' });
  await client.delete('f', newKey());
  await client.undo({ keys: ['k'] }, newKey());
  await takenOver(server);
  t.deepEqual(await bucket.held(), { 'g/x': 'd/x', 'g/y': 'd/y', e: 'e' });
});

const refusing = (): Promise<never> => Promise.reject(new FatalError('there is no such bucket'));

/** The same root, time after time, with a backup storage or without. */
const sameRoot = async (t: ExecutionContext) => {
  const root = await realpath(await freshFolder());
  t.teardown(() => removeFolder(root));
  return async (
    backup: BackupStorage | undefined,
    work: (client: FileManagerClient) => Promise<void> = async () => undefined,
  ) => {
    const server = await startFileManager({ host: '127.0.0.1', port: 0, root, ...(backup && { backup }) });
    try {
      await work(createFileManagerClient({ baseUrl: server.url }));
      if (backup) await takenOver(server);
    } finally {
      await server.close();
    }
  };
};

serverTest('fauxqs', 'a backup storage gets what changed while there was none, or another one', async (t, s3) => {
  const during = await sameRoot(t);
  const [one, other] = [await backupBucket(t, s3), await backupBucket(t, s3)];
  await during(undefined, async (client) => {
    for (const path of ['a', 'b', 'c/']) await save(client, path, path.endsWith('/') ? '' : path);
  });
  await during(one.storage);
  t.deepEqual(await one.held(), { a: 'a', b: 'b', 'c/': '' });
  await during(undefined, async (client) => {
    await client.delete('a', newKey());
    await save(client, 'b', 'changed');
    await client.rename('c/', 'd/', newKey());
  });
  await during(one.storage);
  t.deepEqual(await one.held(), { b: 'changed', 'd/': '' });
  await during(other.storage);
  t.deepEqual(await other.held(), { b: 'changed', 'd/': '' });
});

serverTest('fauxqs', 'a backup bucket that was deleted is made again, and gets everything', async (t, s3) => {
  const bucket = await backupBucket(t, s3);
  const during = await sameRoot(t);
  await during(bucket.storage, async (client) => {
    await save(client, 'a', 'a');
  });
  await bucket.destroy();
  await during(bucket.storage, async (client) => {
    await until(async () => (await bucket.keys()).includes('a'));
    await bucket.destroy();
    let lost = 1;
    bucket.fate = (asked) => (asked === 'PUT ' && lost-- > 0 ? 'lost' : 'pass');
    await save(client, 'b', 'b');
    await until(async () => (await bucket.keys()).length === 2);
    await bucket.destroy();
    bucket.asked.length = 0;
    bucket.fate = (asked) => (asked === 'PUT ' ? 403 : 'pass');
    await save(client, 'c', 'c');
    await until(() => bucket.asked.includes('PUT '));
    await bucket.make();
  });
  t.deepEqual(await bucket.held(), { a: 'a', b: 'b', c: 'c' }, 'also where somebody else has made it');
});

serverTest('fauxqs', 'a backup bucket that is not to be seen once it is made is waited for', async (t, s3) => {
  const bucket = await backupBucket(t, s3);
  const { logger, lines } = heard();
  const storage: BackupStorage = { ...bucket.storage, isThere: async () => false, put: refusing };
  const { client } = await started(t, { backup: storage, backupWaits: short, logger });
  await save(client, 'a', 'a');
  await pause(1_000);
  const made = bucket.asked.filter((asked) => asked === 'PUT ').length;
  t.true(made >= 2 && made <= 30, `made ${made} times in a second`);
  t.true(lines.filter(({ level }) => level === 'warn').length <= 3);
});

serverTest('minio', 'a path that the backup storage refuses holds up no other', async (t, s3) => {
  const bucket = await backupBucket(t, s3);
  const { logger, lines } = heard();
  const { client, server } = await started(t, { backup: bucket.storage, logger });
  for (const path of ['a', tooLong, 'b']) await save(client, path, path);
  await until(async () => (await healthOf(server)).failing === 1);
  await until(async () => (await server.backupPending()) === 1);
  t.deepEqual(await bucket.held(), { a: 'a', b: 'b' });
  const [line, ...others] = lines.filter(({ level }) => level === 'warn').slice(1);
  t.deepEqual(others, [], 'it is tried again seldom');
  t.like(line, { path: tooLong, tries: 1 });
  t.regex(String(line?.['error']), /KeyTooLong/);
  const inMs = Date.parse(String(line?.['nextAt'])) - Date.now();
  t.true(inMs > 600_000 && inMs <= 900_000, String(inMs));

  await client.delete(tooLong, newKey());
  await takenOver(server);
  t.deepEqual(await healthOf(server), { pending: 0, failing: 0 });
});

serverTest(
  'fauxqs',
  'what was renamed to where the backup storage refuses it stays there under its former name',
  async (t, s3) => {
    const bucket = await backupBucket(t, s3);
    bucket.fate = (asked) => (asked.endsWith(' refused') ? 400 : 'pass');
    const { client, server } = await started(t, { backup: bucket.storage });
    for (const path of ['a', 'b']) await save(client, path, path);
    await takenOver(server);
    await client.rename('a', 'refused', newKey());
    await client.delete('b', newKey());
    await until(async () => (await healthOf(server)).failing === 1 && !(await bucket.keys()).includes('b'));
    t.deepEqual(await bucket.held(), { a: 'a' });
    await client.rename('refused', 'c', newKey());
    await takenOver(server);
    t.deepEqual(await bucket.held(), { c: 'a' });
    t.false(bucket.asked.includes('PUT c'), 'the bytes were there already');
  },
);

serverTest('fauxqs', 'a path that failed is carried over when it can be, as it is by then', async (t, s3) => {
  const bucket = await backupBucket(t, s3);
  bucket.fate = (asked) => (/ [xyz]$/.test(asked) ? 500 : 'pass');
  const { client, server } = await started(t, { backup: bucket.storage, backupWaits: short });
  for (const path of ['x', 'y', 'z', 'a']) await save(client, path, path);
  await until(async () => (await healthOf(server)).failing === 3 && (await server.backupPending()) === 3);
  await save(client, 'x', 'changed');
  await client.delete('y', newKey());
  await client.rename('z', 'b', newKey());
  await until(async () => (await bucket.keys()).includes('b'));
  t.deepEqual(await bucket.held(), { a: 'a', b: 'z' });
  bucket.fate = () => 'pass';
  await takenOver(server);
  t.deepEqual(await bucket.held(), { a: 'a', b: 'z', x: 'changed' });
});

serverTest('fauxqs', 'a file that comes back after its removal was asked for is taken again', async (t, s3) => {
  const bucket = await backupBucket(t, s3);
  const { client, server } = await started(t, { backup: bucket.storage, backupWaits: short });
  await save(client, 'a', 'a');
  await takenOver(server);
  bucket.fate = (asked) => (asked === 'DELETE a' ? 'lost' : 'pass');
  await client.delete('a', { idempotencyKey: 'k' });
  await until(async () => (await healthOf(server)).failing === 1);
  await client.undo({ keys: ['k'] }, newKey());
  await takenOver(server);
  t.deepEqual(await bucket.held(), { a: 'a' });
});

serverTest('fauxqs', 'what changes while a path is carried over is carried over as well', async (t, s3) => {
  const bucket = await backupBucket(t, s3);
  const { client, server } = await started(t, { backup: bucket.storage, backupWaits: short });
  const changes: Record<string, () => Promise<void>> = {
    'PUT a': () => save(client, 'a', 'changed'),
    'PUT b': () => client.delete('b', newKey()),
    'PUT c': () => client.rename('c', 'd', newKey()),
  };
  bucket.fate = async (asked): Promise<Fate> => {
    const change = changes[asked];
    delete changes[asked];
    await change?.();
    return 'pass';
  };
  for (const path of ['a', 'b', 'c']) await save(client, path, path);
  await until(() => Object.keys(changes).length === 0);
  await takenOver(server);
  t.deepEqual(await bucket.held(), { a: 'changed', d: 'c' });
});

serverTest('fauxqs', 'what is renamed again and again is copied once', async (t, s3) => {
  const bucket = await backupBucket(t, s3);
  const { client, server } = await started(t, { backup: bucket.storage, backupWaits: short });
  for (const path of ['a/x', 'a/y']) await save(client, path, path);
  await takenOver(server);
  bucket.fate = () => 'cut';
  await save(client, 'z', 'z');
  await until(() => bucket.asked.at(-1) === 'GET ');
  await client.rename('a/', 'b/', newKey());
  await client.rename('b/', 'c/', newKey());
  await save(client, 'a/x', 'new');
  bucket.asked.length = 0;
  bucket.fate = () => 'pass';
  await takenOver(server);
  t.deepEqual(await bucket.held(), { 'a/x': 'new', 'c/x': 'a/x', 'c/y': 'a/y', z: 'z' });
  const changes = bucket.asked.filter((asked) => !asked.startsWith('GET '));
  t.deepEqual(changes, ['PUT z', 'COPY c/x', 'COPY c/y', 'DELETE a/y', 'PUT a/x']);
});

serverTest(
  'fauxqs',
  'the file manager starts and serves while the backup storage is away, which then gets everything',
  async (t, s3) => {
    const bucket = await backupBucket(t, s3);
    bucket.fate = () => 'cut';
    const { logger, lines } = heard();
    const { client, server } = await started(t, { backup: bucket.storage, backupWaits: short, logger });
    for (let count = 0; count < 20; count++) await save(client, 'd/a', String(count));
    for (const path of ['d/b', 'temporary', 'e']) await save(client, path, path);
    await client.rename('d/', 'f/', newKey());
    await client.delete('temporary', newKey());
    await until(() => bucket.asked.length > 5);
    t.deepEqual(await healthOf(server), { pending: 4, failing: 0 }, 'each path once: f/a, f/b, e, and f/ itself');
    t.deepEqual(
      lines.map(({ level, message }) => `${level}: ${message}`),
      ['warn: nothing can be backed up, will try again'],
      'and it is told once, however often it is tried',
    );
    bucket.fate = () => 'pass';
    await takenOver(server);
    t.deepEqual(await bucket.held(), { 'f/a': '19', 'f/b': 'd/b', e: 'e' });
    t.true(lines.some(({ message }) => message === 'the backup goes on'));
  },
);

serverTest(
  'minio',
  'wrong credentials of the backup storage are told again and again, and not all the time',
  async (t, s3) => {
    const bucket = await backupBucket(t, s3, { secretKey: 'wrong' });
    const { logger, lines } = heard();
    const waits = { ...short, told: 1_000 };
    const { client } = await started(t, { backup: bucket.storage, backupWaits: waits, logger });
    await save(client, 'a', 'a');
    await until(() => lines.length > 1);
    for (const { level, error } of lines)
      t.deepEqual(
        { level, error },
        {
          level: 'error',
          error:
            'the bucket refuses the credentials (SignatureDoesNotMatch): check BACKUP_S3_ACCESS_KEY and BACKUP_S3_SECRET_KEY',
        },
      );
    t.true(bucket.asked.length > lines.length, `asked ${bucket.asked.length} times`);
    t.deepEqual([...new Set(bucket.asked)], ['GET '], 'no path is tried in vain');
  },
);

serverTest('fauxqs', 'a stop waits for no backup storage that says nothing, and leaves no file open', async (t, s3) => {
  const bucket = await backupBucket(t, s3);
  bucket.fate = (asked) => (asked === 'PUT a' ? 'hang' : 'pass');
  const { client, server } = await started(t, { backup: bucket.storage });
  await client.saveToDisk('a', contentOf(Buffer.alloc(4_000_000)), newKey());
  await until(() => bucket.asked.includes('PUT a'));
  const begun = performance.now();
  await server.close();
  t.true(performance.now() - begun < 5_000);
});

/** The files that this process has open; none where the system does not tell. */
const openFiles = async (): Promise<string[]> => {
  const open = (await readdir('/proc/self/fd').catch(() => [])).map((fd) => readlink(`/proc/self/fd/${fd}`));
  return (await Promise.allSettled(open)).flatMap((link) => (link.status === 'fulfilled' ? link.value : []));
};

serverTest('fauxqs', 'a file that is tried in vain again and again is open once', async (t, s3) => {
  const bucket = await backupBucket(t, s3);
  bucket.fate = (asked) => (asked === 'PUT a' ? 'cut' : 'pass');
  const { root, client } = await started(t, { backup: bucket.storage, backupWaits: short });
  await client.saveToDisk('a', contentOf(Buffer.alloc(4_000_000)), newKey());
  await until(() => bucket.asked.filter((asked) => asked === 'PUT a').length > 5);
  t.true((await openFiles()).filter((path) => path === `${root}/a`).length <= 1);
});

serverTest(
  'fauxqs',
  'whatever fails meanwhile, in the end the backup storage holds what the file manager holds',
  async (t, s3) => {
    const seed = seedOf(t);
    for (let run = 0; run < 3; run++) await convergesAt(t, s3, seed + run);
  },
);

const convergesAt = async (t: ExecutionContext, s3: Access, seed: number): Promise<void> => {
  const random = randomOf(seed);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const bucket = await backupBucket(t, s3);
  const root = await realpath(await freshFolder());
  t.teardown(() => removeFolder(root));
  const start = async () => {
    const options = { host: '127.0.0.1', port: 0, root, backup: bucket.storage, backupWaits: short };
    const server = await startFileManager(options);
    return { server, client: createFileManagerClient({ baseUrl: server.url }) };
  };
  let { server, client } = await start();
  const folders = ['d/', 'e/', 'f/'];
  const files = [...folders.flatMap((folder) => [`${folder}a`, `${folder}b`]), 'a', 'b'];
  const keys: string[] = [];
  const change = (): Promise<unknown> => {
    const key = newKey();
    switch (
      pick(['save', 'save', 'save', 'folder', 'delete', 'delete all', 'rename', 'rename', 'rename all', 'undo'])
    ) {
      case 'save':
        return save(client, pick(files), String(random()));
      case 'folder':
        return save(client, pick(folders), '');
      case 'delete':
        keys.push(key.idempotencyKey);
        return client.delete(pick(files), key);
      case 'delete all':
        keys.push(key.idempotencyKey);
        return client.delete(pick(folders), { ...key, recursive: random() < 0.5 });
      case 'rename':
        return client.move(pick(files), pick(files), key);
      case 'rename all':
        return client.move(pick(folders), pick(folders), key);
      default:
        return client.undo({ keys: [pick(keys) ?? 'none'] }, key);
    }
  };
  const troubles = [['pass'], ['cut'], ['pass', 'pass', 'lost', 'cut', 500, 400]] as const;
  for (let count = 0; count < 80; count++) {
    if (random() < 0.1) {
      const trouble = pick<readonly Fate[]>(troubles);
      bucket.fate = () => pick(trouble);
    }
    if (random() < 0.05) {
      await server.close();
      ({ server, client } = await start());
    }
    // What cannot be done (no such file, one in the way) is refused.
    await change().catch(() => undefined);
    if (random() < 0.3) await pause(random() * 30);
  }
  bucket.fate = () => 'pass';
  await server.close();
  ({ server, client } = await start());
  await takenOver(server);
  const [held, holds] = [await bucket.held(), await holdings(client)];
  await server.close();
  t.deepEqual(held, holds, `SEED=${seed}`);
};

import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { scanBucket } from '../../src/scan/scan.ts';
import { scanFileManager } from '../../src/scan/scan-file-manager.ts';
import { runCli } from '../support/cli.ts';
import { randomOf } from '../support/seed.ts';
import { createWorld, environmentOf, type World } from '../support/world.ts';

const reconcile = ({ workspace, bucket }: World) => scanBucket({ workspace: workspace(), bucket, metadata: false });

const reconcileFileManager = ({ workspace, bucket, client }: World) =>
  scanFileManager({ workspace: workspace(), bucket, fileManager: client });

/** What no event tells of, found by a listing, and carried over. */
const sync = async (world: World) => {
  await reconcile(world);
  return (await world.cycle()).report;
};

const backup = async (world: World): Promise<string> => {
  const copy = join(world.folder, 'backup.db');
  await rm(copy, { force: true });
  await world.workspace().log.database.run('VACUUM INTO ?', [copy]);
  return copy;
};

/** As docs/operations.md says: databases and what lies beside them away, the backup there; none begins anew. */
const putBack = async (folder: string, copy?: string): Promise<void> => {
  for (const name of await readdir(folder))
    if (/^(events|projections)\.db/.test(name) && !name.endsWith('.lock')) await rm(join(folder, name));
  if (copy !== undefined) await copyFile(copy, join(folder, 'events.db'));
};

const restore = (world: World, copy?: string): Promise<void> => world.restart((folder) => putBack(folder, copy));

const upload = (world: World, path: string, text: string) => world.writer.put(path, Buffer.from(text));

test('a log that is a backup takes no answer for its own that the file manager remembers of the lost one', async (t) => {
  const world = await createWorld();
  for (const path of ['keep', 'x', 'y']) await upload(world, path, path);
  await sync(world);
  const copy = await backup(world);
  await upload(world, 'n', 'n');
  await sync(world);
  await world.writer.delete('x');
  await sync(world);
  await world.writer.delete('n');
  await sync(world);
  await upload(world, 'x', 'x');
  await sync(world);
  await upload(world, 'n', 'n');
  await restore(world, copy);
  await reconcile(world);
  await reconcileFileManager(world);
  t.deepEqual((await world.cycle()).report.operations, { save: 1 });
  t.deepEqual(await world.differences(), []);
  await world.writer.delete('x');
  t.deepEqual((await sync(world)).operations, { delete: 1 });
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('undo asks for what was deleted under a key of its own', async (t) => {
  const world = await createWorld({ trashRetentionMs: 3_600_000 });
  for (const path of ['keep', 'x']) await upload(world, path, path);
  await sync(world);
  const copy = await backup(world);
  await world.writer.delete('x');
  await sync(world);
  await upload(world, 'x', 'x');
  await sync(world);
  await restore(world, copy);
  const onDisk = join(world.folder, 'files', 'x');
  await writeFile(onDisk, 'y');
  await world.writer.delete('x');
  const { plan } = await sync(world);
  await world.release();
  const { code, stderr } = await runCli(['undo', plan ?? ''], environmentOf(world));
  t.is(code, 0, stderr);
  t.is(await readFile(onDisk, 'utf8'), 'y', 'what the restored log deleted, not what the lost one had');
  await world.close();
});

test('undo asks a file manager anew that has answered it for a lost log', async (t) => {
  const world = await createWorld({ trashRetentionMs: 3_600_000 });
  for (const path of ['keep', 'x']) await upload(world, path, path);
  await sync(world);
  await world.writer.delete('x');
  const { plan } = await sync(world);
  const copy = await backup(world);
  await world.release();
  const undo = async () => runCli(['undo', plan ?? '', '--json'], environmentOf(world));
  t.like(JSON.parse((await undo()).stdout), { restored: ['x'] });
  await world.client.delete('x', { idempotencyKey: 'by-hand' });
  await putBack(world.config.paths.data, copy);
  t.deepEqual(JSON.parse((await undo()).stdout), { plan, restored: [], skipped: [], not_in_trash: ['x'] });
  await world.close();
});

test('a log that was begun anew is not refused for keys of the one before, nor believes its answers', async (t) => {
  const world = await createWorld();
  for (const path of ['a', 'b', 'c', 'd', 'e', 'f']) await upload(world, path, path);
  await sync(world);
  await upload(world, 'b', 'changed');
  for (const path of ['c', 'd']) await world.writer.delete(path);
  await sync(world);
  for (const path of ['c', 'd']) await upload(world, path, path);
  await upload(world, 'b', 'changed again');
  await restore(world);
  t.like(await sync(world), { status: 'done', operations: { save: 6 } });
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('what was under way when the backup was taken, and was undone later, comes right by a second comparison', async (t) => {
  const world = await createWorld();
  await upload(world, 'keep', 'keep');
  await sync(world);
  await upload(world, 'n', 'n');
  await reconcile(world);
  let copy = '';
  const fileManager: FileManager = {
    ...world.client,
    saveToDisk: async (...save) => {
      await world.client.saveToDisk(...save);
      copy = await backup(world);
    },
  };
  await world.cycle({ fileManager });
  await world.writer.delete('n');
  await sync(world);
  await upload(world, 'n', 'n');
  await restore(world, copy);
  for (let time = 0; time < 2; time++) {
    await reconcile(world);
    await reconcileFileManager(world);
    await world.cycle();
  }
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('whenever an old log comes back, both listings and cycles make all sides equal', async (t) => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = randomOf(seed);
    const world = await createWorld();
    const paths = ['a', 'b', 'd/a', 'd/b'];
    const change = async (): Promise<void> => {
      const path = paths[Math.floor(random() * paths.length)] as string;
      if (random() < 0.4) await world.writer.delete(path);
      // Few contents, so that the same comes back to the same place.
      else await upload(world, path, `content ${Math.floor(random() * 2)}`);
    };
    const history = async (length: number): Promise<void> => {
      for (let at = 0; at < length; at++) {
        await change();
        if (random() < 0.7) await sync(world);
      }
    };
    // The gate holds what deletes on the word of a listing without any object.
    await upload(world, 'keep', 'content');
    await history(3);
    const copy = random() < 0.8 ? await backup(world) : undefined;
    await history(6);
    await restore(world, copy);
    await reconcile(world);
    await reconcileFileManager(world);
    for (let at = 0; at < 6; at++) {
      await world.cycle();
      t.deepEqual(await world.differences(), [], `seed ${seed}, ${at} changes after the restore`);
      await change();
      await reconcile(world);
    }
    await world.close();
  }
});

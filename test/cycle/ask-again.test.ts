import { askSuperseded } from '../../src/cycle/ask-again.ts';
import { prepareWaiting } from '../../src/cycle/unreadable.ts';
import { RetryableError } from '../../src/errors.ts';
import { worldTest } from '../support/world-test.ts';

const withWorld = worldTest({ timeoutMs: 60_000 });

withWorld(
  'objects that the bucket fails to tell about keep no other from being asked about again',
  async (t, world) => {
    const names = (kind: string, count: number) =>
      Array.from({ length: count }, (_, n) => `${kind}/${String(n).padStart(2, '0')}`);
    const [bad, good] = [names('bad', 40), names('good', 5)];
    const workspace = world.workspace();
    for (const path of [...bad, ...good]) await world.append({ type: 'create', path, size: 1, etag: 'another' });
    await world.writer.put('good/00', Buffer.from('what stands there'));
    await workspace.projector.catchUp();
    await prepareWaiting(workspace.projector.database);
    await workspace.projector.database.exec(
      `INSERT INTO superseded (path, "offset", tries, since, next_at, reason)
     SELECT path, "offset", 3, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 'gone' FROM file`,
    );
    const head: typeof world.bucket.head = async (key, options) => {
      if (key.startsWith('bad/')) throw new RetryableError('500');
      return world.bucket.head(key, options);
    };
    const last = await workspace.log.last();
    await askSuperseded({ workspace, bucket: { ...world.bucket, head } });
    const events = await workspace.log.read(last + 1, Number.MAX_SAFE_INTEGER, 100);
    t.deepEqual(events.map(({ type, path }) => `${type} ${path}`).sort(), [
      'create good/00',
      ...good.slice(1).map((path) => `delete ${path}`),
    ]);
  },
);

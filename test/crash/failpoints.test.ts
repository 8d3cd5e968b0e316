import test, { type ExecutionContext } from 'ava';
import { type Failpoint, failpoints } from '../../src/failpoint.ts';
import { openLogForReading } from '../../src/log/read-log.ts';
import { listeningAt, runCli, startCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';
import { createGate, prepareScenes, runKilled, runUntilDone, type Scene, type Scenes } from './scene.ts';

/**
 * A real process is killed at every failpoint, started again, and left to finish. Then bucket, projection and file manager
 * hold the same bytes, every event counts once, and a further cycle finds nothing to do. A failpoint that is not reached
 * fails its test.
 */
let scenes: Scenes;
test.before(async (t) => {
  t.timeout(120_000);
  scenes = await prepareScenes();
});
test.after.always(() => scenes?.close());

const gate = createGate(2);
const sync = ['incremental-sync', '--no-drain', '--json'];
const inIngest = /^(receive|append|quarantine|fold|ack)\./;

const endsEqual = async (t: ExecutionContext, scene: Scene, url: string): Promise<void> => {
  const done = await runUntilDone(sync, scene.environment(url));
  t.is(done.code, 0, done.stderr);
  t.deepEqual(await scene.faults(url), []);
  t.is(await scene.cycle(url), 'idle');
};

const killedAt = (failpoint: Failpoint, work: (t: ExecutionContext) => Promise<void>): void => {
  test(`killed at ${failpoint}: nothing is lost, nothing counts twice, all sides end equal`, async (t) => {
    await gate(() => {
      t.timeout(120_000);
      return work(t);
    });
  });
};

for (const failpoint of failpoints.service) {
  killedAt(failpoint, async (t) => {
    const ingesting = inIngest.test(failpoint);
    const scene = await scenes.scene(ingesting ? 'synced' : 'ingested');
    const files = await scene.files();
    try {
      const environment = scene.environment(files.url);
      const command = ingesting ? ['ingest', scenes.events] : sync;
      const killed = await runKilled(command, environment, failpoint);
      t.is(killed.code, null, `${failpoint} was not reached: ${killed.stderr}`);
      if (ingesting) t.is((await runUntilDone(command, environment)).code, 0);
      await endsEqual(t, scene, files.url);
    } finally {
      await files.close();
    }
  });
}

for (const failpoint of failpoints.scan) {
  killedAt(failpoint, async (t) => {
    const scene = await scenes.scene('synced');
    const files = await scene.files();
    try {
      const environment = scene.environment(files.url);
      const killed = await runKilled(['initial-sync'], environment, failpoint);
      t.is(killed.code, null, `${failpoint} was not reached: ${killed.stderr}`);
      const again = await runUntilDone(['initial-sync'], environment);
      t.is(again.code, 0, again.stderr);
      await endsEqual(t, scene, files.url);
    } finally {
      await files.close();
    }
  });
}

for (const failpoint of failpoints.replay) {
  killedAt(failpoint, async (t) => {
    const scene = await scenes.scene('ingested');
    const files = await scene.files();
    try {
      const environment = scene.environment(files.url);
      const live = await runCli(['snapshot'], environment);
      const killed = await runKilled(['replay'], environment, failpoint);
      t.is(killed.code, null, `${failpoint} was not reached: ${killed.stderr}`);
      t.is((await runUntilDone(['replay'], environment)).code, 0);
      t.is((await runCli(['snapshot'], environment)).stdout, live.stdout);
      await endsEqual(t, scene, files.url);
    } finally {
      await files.close();
    }
  });
}

for (const failpoint of failpoints.fileManager) {
  killedAt(failpoint, async (t) => {
    const scene = await scenes.scene('ingested');
    const start = (port: string, environment: Readonly<Record<string, string>> = {}) =>
      startCli(['file-manager', '--root', scene.root, '--port', port], { LOG_LEVEL: 'info', ...environment });
    const first = start('0', { FAILPOINT: failpoint });
    const url = await listeningAt(first.child);
    const syncing = runUntilDone(sync, scene.environment(url));
    const killed = await Promise.race([first.finished, syncing.then(() => undefined)]);
    first.child.kill('SIGKILL');
    await first.finished;
    const second = start(new URL(url).port);
    try {
      t.is(killed?.code, null, `${failpoint} was not reached`);
      await listeningAt(second.child);
      await syncing;
      await endsEqual(t, scene, url);
    } finally {
      second.child.kill('SIGTERM');
      await second.finished;
    }
  });
}

for (const failpoint of failpoints.http) {
  killedAt(failpoint, async (t) => {
    const data = await freshFolder();
    const environment = { DATA_DIR: data, HTTP_PORT: '0', HTTP_TOKEN: 'token', LOG_LEVEL: 'info' };
    const body = '{"id":"1","type":"create","time":"2030-01-01T00:00:00Z","path":"a","size":1}';
    const send = async (url: string): Promise<number | undefined> => {
      const options = { method: 'POST', body, headers: { authorization: 'Bearer token' } };
      return (await fetch(`${url}/webhook`, options).catch(() => undefined))?.status;
    };
    const first = startCli(['subscribe', '--source', 'http'], { ...environment, FAILPOINT: failpoint });
    await send(await listeningAt(first.child));
    t.is((await first.finished).code, null, `${failpoint} was not reached`);
    const second = startCli(['subscribe', '--source', 'http'], environment);
    t.is(await send(await listeningAt(second.child)), 204, 'the sender tries again');
    second.child.kill('SIGTERM');
    t.is((await second.finished).code, 0);
    const log = await openLogForReading(`${data}/events.db`);
    t.deepEqual(
      (await log.read(1, 9, 9)).map(({ id }) => id),
      ['1'],
    );
    await log.close();
  });
}

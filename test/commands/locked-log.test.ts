import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { consumeInto } from '../../src/commands/consuming.ts';
import { openSource } from '../../src/commands/sources.ts';
import { loadConfig } from '../../src/config/config.ts';
import { openWorkspace } from '../../src/data-folder/workspace.ts';
import { createLogger } from '../../src/logger.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { makeQueue, sendTo } from '../sources/queue.ts';
import { startFauxqsServer } from '../support/fauxqs.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

test('a log that is locked for a while costs no message its last try before the dead-letter queue', async (t) => {
  t.timeout(60_000);
  const folder = await freshFolder();
  const server = await startFauxqsServer();
  const deadUrl = await makeQueue(server);
  const deadLetterTargetArn = `arn:aws:sqs:${server.region}:000000000000:${deadUrl.split('/').at(-1)}`;
  const queueUrl = await makeQueue(server, {
    attributes: { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: '1' }) },
  });
  await sendTo(server, queueUrl, ['{"id":"1","type":"create","time":"2026-01-31T12:00:00Z","path":"a","size":1}']);
  const config = loadConfig({
    DATA_DIR: folder,
    SQS_QUEUE_URL: queueUrl,
    SQS_ENDPOINT: server.url,
    SQS_VISIBILITY: '2',
    CUSTOMER_S3_ACCESS_KEY: server.accessKey,
    CUSTOMER_S3_SECRET_KEY: server.secretKey,
  });
  const workspace = await openWorkspace(config, 'test');
  const other = await openDatabase({ path: config.paths.log, mode: 'write' });
  const told: object[] = [];
  const logger = Object.assign(createLogger('silent'), {
    warn: (_facts: object, text: string) => void told.push([text]),
  });
  const context = { command: 'test', config, logger, print: () => undefined, signal: new AbortController().signal };
  const opened = { ...context, openWorkspace: async () => workspace };
  try {
    const locked = other.transaction(() => sleep(7_000));
    const consumed = await consumeInto(opened, workspace, await openSource(opened, 'sqs'), { idleMs: 3_000 });
    await locked;
    t.like(consumed, { messages: 1, appended: 1 });
    t.deepEqual(told, [['batch is kept, and tried again']]);
  } finally {
    await other.close();
    await workspace.close();
    await server.stop();
    await removeFolder(folder);
  }
});

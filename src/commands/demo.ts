import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { createBucketWriter } from '../bucket/s3.ts';
import { loadConfig } from '../config/config.ts';
import { openWorkspace } from '../data-folder/workspace.ts';
import { takeDemoFolder } from '../demo/folder.ts';
import { demoKeys, type Running, startEmbedded, startPubSubEmulator } from '../demo/servers.ts';
import { changeTheBucket } from '../demo/story.ts';
import { exitCode, FatalError } from '../errors.ts';
import { startFileManager } from '../file-manager/server.ts';
import { harmlessLine } from '../harmless.ts';
import { createLogger } from '../logger.ts';
import { columns } from '../text.ts';
import { signOf } from '../verify/verify.ts';
import type { Context } from './context.ts';
import { runPublish } from './publish.ts';
import { summaryOf } from './summary.ts';
import { incrementalSync, initialSync } from './sync.ts';
import { isEqual, verifySides } from './verify.ts';

const bucketName = 'customer-bucket';
const token = 'demo-token';

/** The sample files, by key. They lie beside package.json, which is above both the source and what is built of it. */
const sampleFiles = async (): Promise<Map<string, Buffer>> => {
  const root = join(dirname(findPackageJSON(import.meta.url) as string), 'fixtures/bucket');
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const keyOf = (file: string): string => relative(root, file).split(sep).join('/');
  return new Map(await Promise.all(files.map(async (file) => [keyOf(file), await readFile(file)] as const)));
};

type Broker = { readonly environment: Record<string, string>; readonly name: string; stop(): Promise<void> };

const startBroker = async (embedded: Running, pubsub: boolean): Promise<Broker> => {
  if (!pubsub) {
    const { ensureQueue } = await import('../sources/sqs-client.ts');
    const access = {
      endpoint: embedded.url,
      region: demoKeys.region,
      credentials: { accessKeyId: demoKeys.accessKey, secretAccessKey: demoKeys.secretKey },
    };
    const named = new URL(await ensureQueue({ queueName: 'bucket-events', ...access }));
    // The embedded server names its queues under a host of their own; the queue answers under this machine's address too.
    const url = new URL(named.pathname, embedded.url).href;
    return {
      name: 'an embedded SQS queue',
      environment: { SQS_QUEUE_URL: url, SQS_ENDPOINT: embedded.url },
      stop: async () => undefined,
    };
  }
  const { ensurePubSub } = await import('../sources/pubsub-publisher.ts');
  const emulator = await startPubSubEmulator('demo');
  await ensurePubSub({
    project: 'demo',
    emulatorHost: emulator.host,
    topic: 'bucket-events',
    subscription: 'file-manager-sync',
  });
  const environment = {
    PUBSUB_PROJECT: 'demo',
    PUBSUB_TOPIC: 'bucket-events',
    PUBSUB_SUBSCRIPTION: 'file-manager-sync',
    PUBSUB_EMULATOR_HOST: emulator.host,
  };
  return { name: 'the Pub/Sub emulator', environment, stop: emulator.stop };
};

/** Compares both sides file by file and byte by byte, from the bucket and the file manager themselves. */
const prove = async (context: Context, title: string): Promise<void> => {
  const lines: string[] = [];
  const counts = await verifySides(context, true, (line) => {
    if (line)
      lines.push(
        `     ${signOf(line)} ${harmlessLine(line.path)}${line.detail ? `  ${harmlessLine(line.detail)}` : ''}`,
      );
  });
  context.print(
    `\n${title}\n${lines.join('\n')}\n     ${counts.same} files equal, byte by byte, in bucket and file manager\n`,
  );
  if (!isEqual(counts)) throw new FatalError('bucket and file manager differ: the lines above show where');
};

/** The whole main job on an embedded default; ends with exit code 0 only when both sides were proved equal. */
export const runDemo = async (
  outer: Context,
  flags: { pubsub?: boolean; keep?: boolean; dataDir?: string; logLevel?: string },
): Promise<number> => {
  const { print } = outer;
  // Not what DATA_DIR says: that is the folder of a service that is no demo.
  const folder = resolve(flags.dataDir ?? '.demo');
  const logLevel = flags.logLevel ?? quieter(outer.config.text('LOG_LEVEL'));
  const stops: (() => Promise<void>)[] = [(await takeDemoFolder(folder)).release];
  try {
    const embedded = await startEmbedded(join(folder, 'bucket'));
    stops.push(embedded.stop);
    const broker = await startBroker(embedded, flags.pubsub === true);
    stops.push(broker.stop);
    const fileManager = await startFileManager({ root: join(folder, 'files'), host: '127.0.0.1', port: 0, token });
    stops.push(fileManager.close);
    const environment = {
      CUSTOMER_S3_ENDPOINT: embedded.url,
      CUSTOMER_S3_ACCESS_KEY: demoKeys.accessKey,
      CUSTOMER_S3_SECRET_KEY: demoKeys.secretKey,
      CUSTOMER_S3_BUCKET: bucketName,
      FILE_MANAGER_API_URL: fileManager.url,
      FILE_MANAGER_TOKEN: token,
      DATA_DIR: join(folder, 'data'),
      LOG_LEVEL: logLevel,
      ...broker.environment,
    };
    const context: Context = { ...outer, config: loadConfig(environment), logger: createLogger(logLevel) };
    print(
      `S3 Sync Service: the whole job on this machine\n\n  1. Started an S3 server, ${broker.name} and the reference file manager\n`,
    );

    const files = await sampleFiles();
    const bucket = createBucketWriter({ endpoint: embedded.url, ...demoKeys, bucket: bucketName });
    await bucket.create();
    for (const [key, body] of files)
      await bucket.put(key, body, { metadata: { mode: key.endsWith('.sh') ? '33256' : '33188' } });
    print(`  2. Put ${files.size} sample files into the bucket\n  3. Initial sync\n`);
    const workspace = await openWorkspace(context.config, 'demo');
    stops.push(workspace.close);
    const first = await initialSync(context, workspace, {});
    if (first.cycle) print(indented(summaryOf(first.cycle.report, storyColumns)));

    const changes = await changeTheBucket(bucket, files);
    bucket.close();
    print(
      `\n  4. Changed the bucket; its producer published what happened\n${changes.map(({ text }) => `     ${text}\n`).join('')}`,
    );
    const published = join(folder, 'published.jsonl');
    await writeFile(
      published,
      changes.flatMap(({ events }) => events.map((event) => `${JSON.stringify(event)}\n`)).join(''),
    );
    await runPublish({ ...context, print: () => undefined }, published, {});

    print('\n  5. Incremental sync: consume, append, project, diff, plan, gate, apply\n');
    const second = await incrementalSync(context, workspace, {});
    print(indented(summaryOf(second.report, storyColumns)));
    for (const { operation } of second.plan.steps)
      print(
        `     -> ${harmlessLine(`${operation.kind} ${operation.path}${operation.to ? ` -> ${operation.to}` : ''}`)}\n`,
      );
    const idle = await incrementalSync(context, workspace, { drain: false });
    if (idle.plan.steps.length > 0) throw new FatalError('a second cycle with no new events found something to do');
    print('\n  6. A further cycle found nothing to do and asked nothing of the file manager\n');

    await prove(context, '  7. Both sides, compared file by file and byte by byte');
    const here = (path: string): string => relative(process.cwd(), join(folder, path));
    print(`\nAll of it held. Where to look:
     ${here('data/events.db')}       the event log, the one truth
     ${here('data/projections.db')}  what bucket and file manager hold
     ${here('data/cycles')}          CSVs, operations and report of each cycle
     ${here('files')}                the file manager's disk
     ${here('bucket')}               the bucket's objects
`);
    if (flags.keep) {
      await writeFile(
        join(folder, 'env'),
        Object.entries(environment)
          .map(([name, value]) => `${name}=${shellQuoted(value)}\n`)
          .join(''),
      );
      print(
        `\nStill running; Ctrl-C ends it. In another terminal:\n     S3            ${embedded.url}\n     file manager  ${fileManager.url}\n     settings      ${here('env')} (set -a; . ${shellWord(here('env'))}; ./sync_cli.sh status)\n`,
      );
      await workspace.close();
      stops.pop();
      if (!outer.signal.aborted) await once(outer.signal, 'abort');
    }
    return exitCode.done;
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
};

/** What everybody has who set nothing, or copied `.env.example`, would be between the lines of the story. */
const quieter = (level: string): string => (level === 'info' ? 'warn' : level);

const shellQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const shellWord = (text: string): string => (/^[\w./-]+$/.test(text) ? text : shellQuoted(text));

/** What is left of a line beside the story's indentation. */
const storyColumns = columns - 5;

const indented = (text: string): string => text.replace(/^/gm, '     ').replace(/ +$/, '');

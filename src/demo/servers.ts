import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FatalError } from '../errors.ts';

/** The embedded S3 and SQS of the demo, and the Pub/Sub emulator where it is asked for. */
export type Running = { readonly url: string; stop(): Promise<void> };

export const demoKeys = { accessKey: 'demo', secretKey: 'demo-secret', region: 'us-east-1' } as const;

/** S3 and SQS in this process; objects are kept as plain files. */
export const startEmbedded = async (folder: string): Promise<Running> => {
  const { startFauxqs } = await import('fauxqs');
  const server = await startFauxqs({ port: 0, logger: false, s3StorageDir: folder });
  return { url: `http://127.0.0.1:${server.port}`, stop: () => server.stop() };
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
};

const readyWithinMs = 30_000;

/** The Pub/Sub emulator of the Google Cloud SDK. Throws FatalError when the SDK is not installed. */
export const startPubSubEmulator = async (project: string): Promise<Running & { host: string }> => {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const child = spawn(
    'gcloud',
    ['beta', 'emulators', 'pubsub', 'start', `--project=${project}`, `--host-port=${host}`],
    { detached: true, stdio: 'ignore' },
  );
  const failed = once(child, 'error').then(([error]: unknown[]) => {
    throw new FatalError(
      `the Pub/Sub emulator needs the Google Cloud SDK (gcloud and its pubsub-emulator): ${String(error)}`,
    );
  });
  const stop = async (): Promise<void> => {
    if (child.pid === undefined || child.exitCode !== null) return;
    process.kill(-child.pid, 'SIGTERM');
    await Promise.race([once(child, 'exit'), sleep(5_000)]);
  };
  const ready = async (): Promise<void> => {
    for (const end = Date.now() + readyWithinMs; Date.now() < end; await sleep(200)) {
      const answer = await fetch(`http://${host}/`).catch(() => undefined);
      if (answer?.ok) return;
      if (child.exitCode !== null)
        throw new FatalError('the Pub/Sub emulator ended at once: is its component installed?');
    }
    throw new FatalError('the Pub/Sub emulator did not become ready');
  };
  await Promise.race([ready(), failed]).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { url: `http://${host}`, host, stop };
};

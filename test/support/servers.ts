import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { type Chromium, startChromium } from './chromium.ts';
import { type Fauxqs, startFauxqsServer } from './fauxqs.ts';
import { available, type ServerName } from './installed.ts';
import { type Localstack, startLocalstack } from './localstack.ts';
import { type Minio, startMinio } from './minio.ts';
import { missingFails, reportMissing } from './missing.ts';
import { type PubsubEmulator, startPubsubEmulator } from './pubsub-emulator.ts';

export type Servers = {
  readonly minio: Minio;
  readonly pubsub: PubsubEmulator;
  readonly localstack: Localstack;
  readonly chromium: Chromium;
  readonly fauxqs: Fauxqs;
};

const starts: { readonly [N in ServerName]: () => Promise<Servers[N]> } = {
  minio: () => startMinio(),
  pubsub: startPubsubEmulator,
  localstack: startLocalstack,
  chromium: startChromium,
  fauxqs: () => startFauxqsServer(),
};

const running = new Map<ServerName, Promise<Servers[ServerName]>>();
const reported = new Map<ServerName, string>();

const shared = <N extends ServerName>(name: N): Promise<Servers[N]> => {
  const existing = running.get(name) as Promise<Servers[N]> | undefined;
  if (existing !== undefined) return existing;
  const start = starts[name]();
  running.set(name, start);
  return start;
};

test.after.always('stop the servers', async () => {
  for (const start of running.values()) await (await start.catch(() => undefined))?.stop();
});

const missing = (name: ServerName): string => {
  const line = reported.get(name) ?? reportMissing(name, fileURLToPath(test.meta.file));
  reported.set(name, line);
  return line;
};

/** `together`: beside the file's other such tests, after all that run one by one. For tests that mostly wait. */
export type TestOrder = 'one by one' | 'together';

/**
 * A test that needs a server to be installed, and starts its own. Where it is not installed the test does not run, the end
 * of the test run says so, and it counts as failed with CI=true.
 */
export const installedTest = (
  name: ServerName,
  title: string,
  run: (t: ExecutionContext) => Promise<void> | void,
  order: TestOrder = 'one by one',
): void => {
  if (available(name)) {
    (order === 'together' ? test : test.serial)(title, async (t) => {
      t.timeout(180_000);
      await run(t);
    });
    return;
  }
  const line = missing(name);
  if (missingFails()) test(title, (t) => t.fail(line));
  else test.skip(title, () => undefined); // a server that is not installed here: reported at the end of the run
};

/**
 * A test that needs a real server. The file's tests share one server, started by the first that runs: they run one
 * after the other, and each takes names of its own (`uniqueName`).
 */
export const serverTest = <N extends ServerName>(
  name: N,
  title: string,
  run: (t: ExecutionContext, server: Servers[N]) => Promise<void> | void,
  order: TestOrder = 'one by one',
): void => installedTest(name, title, async (t) => run(t, await shared(name)), order);

/** A name for a bucket, topic or queue that no other test of the run takes. */
export const uniqueName = (prefix: string): string => `${prefix}-${randomBytes(6).toString('hex')}`;

import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { runDaemon } from '../../src/commands/subscribe.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { openWorkspace } from '../../src/data-folder/workspace.ts';
import { ConfigError } from '../../src/errors.ts';
import { createLogger } from '../../src/logger.ts';
import { freePort } from '../support/child.ts';
import { createWorld, environmentOf } from '../support/world.ts';

/** Runs a daemon in this process, on one file to carry over. `told` is what it had logged when it closed the log. */
const runHere = async (
  t: ExecutionContext,
  port: number,
  changed: (config: Config) => Config = (config) => config,
): Promise<{ readonly ended: Promise<number>; readonly told: readonly string[] }> => {
  t.timeout(60_000);
  const world = await createWorld();
  t.teardown(world.close);
  await world.put('a', 'content');
  await world.release();
  const config = loadConfig({ ...environmentOf(world), HTTP_PORT: String(port), HTTP_TOKEN: 'token' }, {});
  const told: string[] = [];
  let isClosed = false;
  const tell = (_: unknown, text: string): void => {
    if (!isClosed) told.push(text);
  };
  const ended = runDaemon({
    command: 'daemon',
    config: changed(config),
    logger: Object.assign(createLogger('silent'), { info: tell, error: tell }),
    signal: new AbortController().signal,
    print: () => undefined,
    openWorkspace: async () => {
      const workspace = await openWorkspace(config, 'daemon');
      const close = (): Promise<void> => {
        isClosed = true;
        return workspace.close();
      };
      return { ...workspace, close };
    },
  });
  return { ended, told };
};

test('a daemon whose source fails for good lets the cycle in hand end before it closes the log', async (t) => {
  const taken = createServer();
  await once(taken.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => void taken.close());
  const { ended, told } = await runHere(t, (taken.address() as { port: number }).port);
  await t.throwsAsync(ended, { instanceOf: ConfigError, message: /cannot listen on/ });
  t.regex(told.at(-1) ?? '', /^cycle (ended|failed)/);
});

test('a daemon that can take no commands ends, and says why', async (t) => {
  const { ended } = await runHere(t, await freePort(), (config) => ({
    ...config,
    paths: { ...config.paths, data: join(import.meta.filename, 'no folder') },
  }));
  await t.throwsAsync(ended, { code: 'ENOTDIR' });
});

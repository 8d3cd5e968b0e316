import { once } from 'node:events';
import { createServer } from 'node:net';
import test from 'ava';
import { runDaemon } from '../../src/commands/subscribe.ts';
import { loadConfig } from '../../src/config/config.ts';
import { openWorkspace } from '../../src/data-folder/workspace.ts';
import { ConfigError } from '../../src/errors.ts';
import { createLogger } from '../../src/logger.ts';
import { createWorld, environmentOf } from '../support/world.ts';

test('a daemon whose source fails for good lets the cycle in hand end before it closes the log', async (t) => {
  t.timeout(60_000);
  const world = await createWorld();
  t.teardown(world.close);
  await world.put('a', 'content');
  await world.release();
  const taken = createServer();
  await once(taken.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => void taken.close());
  const { port } = taken.address() as { port: number };
  const config = loadConfig({ ...environmentOf(world), HTTP_PORT: String(port), HTTP_TOKEN: 'token' }, {});
  const told: string[] = [];
  const tell = (_: unknown, text: string): void => void told.push(text);
  let toldAtClose: string | undefined;
  const daemon = runDaemon({
    command: 'daemon',
    config,
    logger: Object.assign(createLogger('silent'), { info: tell, error: tell }),
    signal: new AbortController().signal,
    print: () => undefined,
    openWorkspace: async () => {
      const workspace = await openWorkspace(config, 'daemon');
      const close = (): Promise<void> => {
        toldAtClose = told.at(-1);
        return workspace.close();
      };
      return { ...workspace, close };
    },
  });
  await t.throwsAsync(daemon, { instanceOf: ConfigError, message: /cannot listen on/ });
  t.regex(toldAtClose ?? '', /^cycle (ended|failed)/);
});

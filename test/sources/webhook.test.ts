import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { freePort } from '../support/child.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { conformance } from './conformance.ts';
import { createSender } from './sender.ts';

const token = 'webhook-token';

conformance({
  silenceMs: 300,
  leaseMs: 300,
  remembersAcks: true,
  hasServer: true,
  test: (title, run, order) =>
    (order === 'together' ? test : test.serial)(`webhook: ${title}`, (t) =>
      run(t, async () => {
        const port = await freePort();
        const proxy = await startTcpProxy(port);
        const sender = createSender(`http://127.0.0.1:${proxy.port}/webhook`, token);
        return {
          spec: { kind: 'http', host: '127.0.0.1', port, webhook: { token } },
          send: async (bodies) => sender.send(bodies),
          // The server is ours; what its sender sees of a restart is that connections are cut, and refused for a while.
          restart: async () => {
            proxy.cut();
            await sleep(300);
            proxy.restore();
          },
          close: async () => {
            await sender.close();
            await proxy.stop();
          },
        };
      }),
    ),
});

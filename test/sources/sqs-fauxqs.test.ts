import { setTimeout as sleep } from 'node:timers/promises';
import { serverTest } from '../support/servers.ts';
import { conformance } from './conformance.ts';
import { queueWire } from './queue.ts';

for (const fifo of [false, true]) {
  conformance({
    silenceMs: 2_500,
    leaseMs: 4_500,
    remembersAcks: true,
    hasServer: true,
    test: (title, run, order) =>
      serverTest(
        'fauxqs',
        `${fifo ? 'FIFO' : 'standard'} queue: ${title}`,
        (t, server) =>
          run(t, () =>
            queueWire(server, {
              fifo,
              // It keeps what it has; its clients see their connections cut and refused for a while.
              restarted: async () => {
                await sleep(500);
                return server;
              },
            }),
          ),
        order,
      ),
  });
}

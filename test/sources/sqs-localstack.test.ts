import test from 'ava';
import { type Localstack, startLocalstack } from '../support/localstack.ts';
import { serverTest } from '../support/servers.ts';
import { conformance } from './conformance.ts';
import { queueWire } from './queue.ts';

let second: Promise<Localstack> | undefined;
test.after.always('stop the second LocalStack', async () => {
  await (await second?.catch(() => undefined))?.stop();
});

for (const fifo of [false, true]) {
  conformance({
    silenceMs: 2_500,
    leaseMs: 4_500,
    remembersAcks: true,
    hasServer: true,
    test: (title, run, order) =>
      serverTest(
        'localstack',
        `${fifo ? 'FIFO' : 'standard'} queue: ${title}`,
        (t, server) =>
          run(t, () =>
            queueWire(server, {
              fifo,
              // A LocalStack that starts again has forgotten its queues.
              restarted: () => (second ??= startLocalstack()),
            }),
          ),
        order,
      ),
  });
}

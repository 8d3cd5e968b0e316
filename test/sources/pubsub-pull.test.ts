import test from 'ava';
import { type PubsubEmulator, startPubsubEmulator } from '../support/pubsub-emulator.ts';
import { serverTest } from '../support/servers.ts';
import { conformance } from './conformance.ts';
import { topicWire } from './topic.ts';

let second: Promise<PubsubEmulator> | undefined;
test.after.always('stop the second emulator', async () => {
  await (await second?.catch(() => undefined))?.stop();
});

conformance({
  silenceMs: 2_000,
  leaseMs: 13_000,
  remembersAcks: true,
  hasServer: true,
  test: (title, run, order) =>
    serverTest(
      'pubsub',
      `Pub/Sub pull: ${title}`,
      (t, server) => run(t, () => topicWire(server, 'pull', () => (second ??= startPubsubEmulator()))),
      order,
    ),
});

import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { uniqueName } from '../support/servers.ts';
import { conformance } from './conformance.ts';
import { startDoor } from './door.ts';
import { createSender } from './sender.ts';

conformance({
  silenceMs: 300,
  leaseMs: 300,
  remembersAcks: true,
  hasServer: true,
  test: (title, run, order) =>
    (order === 'together' ? test : test.serial)(`webhook: ${title}`, (t) =>
      run(t, async () => {
        const token = uniqueName('token');
        const door = await startDoor();
        const sender = createSender(`http://127.0.0.1:${door.port}/webhook`, token);
        return {
          spec: { kind: 'http', portFile: door.portFile, webhook: { token } },
          send: async (bodies) => sender.send(bodies),
          // The server is ours; what its sender sees of a restart is that connections are cut, and refused for a while.
          restart: async () => {
            door.cut();
            await sleep(300);
            door.restore();
          },
          close: async () => {
            await sender.close();
            await door.stop();
          },
        };
      }),
    ),
});

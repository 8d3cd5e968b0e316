import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import test, { type ExecutionContext } from 'ava';
import { RefusedError } from '../../src/file-manager/client-errors.ts';
import type { FileManagerOptions } from '../../src/file-manager/server.ts';
import { newKey, save, started } from './support.ts';

const piece = Buffer.alloc(65_536);

/** A connection to a file manager on which a save of too many bytes has begun, and what has been answered on it. */
const begun = async (
  t: ExecutionContext,
  options: Partial<FileManagerOptions> = {},
): Promise<{ socket: Socket; answer: () => string; send: (pieces: number) => Promise<void> }> => {
  const { server } = await started(t, options);
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1').on('error', () => undefined);
  t.teardown(() => socket.destroy());
  let text = '';
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  const write = (data: string | Buffer): Promise<void> =>
    new Promise((resolve, reject) => socket.write(data, (error) => (error ? reject(error) : resolve())));
  const head = ['PUT /saveToDisk?path=a HTTP/1.1', 'host: a', 'idempotency-key: k', 'x-content-length: 10'];
  await write(`${head.join('\r\n')}\r\ntransfer-encoding: chunked\r\n\r\n`);
  const send = async (pieces: number): Promise<void> => {
    for (let at = 0; at < pieces; at++) {
      await write('10000\r\n');
      await write(piece);
      await write('\r\n');
    }
  };
  return { socket, answer: () => text, send };
};

/** Waits until the answer is there, with the last byte of its body. */
const answered = async (socket: Socket, answer: () => string): Promise<void> => {
  while (!/\r\n\r\n\{.*\}$/s.test(answer())) await once(socket, 'data');
};

test('saves that are refused before their bodies were read hold no later request up', async (t) => {
  const { client } = await started(t, {}, { responseTimeoutMs: 3_000 });
  await save(client, 'a', 'a file');
  const refused = async (pieces: number): Promise<void> => {
    const body = Readable.from(Array.from({ length: pieces }, () => piece));
    await t.throwsAsync(client.saveToDisk('a/b', { body, length: pieces * piece.length }, newKey()), {
      instanceOf: RefusedError,
    });
  };
  for (const pieces of [1, 14, 14, 14, 600]) await refused(pieces);
  await Promise.all([14, 14, 14].map(refused));
  await t.notThrowsAsync(client.delete('a', newKey()));
});

test('a save that is refused while its body arrives is answered at once, and may send its body to the end', async (t) => {
  const { socket, answer, send } = await begun(t);
  await send(1);
  await answered(socket, answer);
  t.regex(answer(), /^HTTP\/1\.1 400 .*\r\nconnection: close\r\n.*more than 10 arrived/s);
  await send(400);
  socket.write('0\r\n\r\n');
  await once(socket, 'end');
  t.is(answer().split('HTTP/1.1').length, 2);
});

test('a sender that goes on after it was refused is cut off after a while', async (t) => {
  const { socket, answer, send } = await begun(t, { lingerMs: 300 });
  await send(1);
  await answered(socket, answer);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const at = Date.now();
  await t.throwsAsync(async () => {
    for (;;) await send(1);
  });
  await closed;
  t.true(Date.now() - at >= 250);
});

test('a refused request whose body is there leaves its connection to the next one', async (t) => {
  const { server } = await started(t);
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  t.teardown(() => socket.destroy());
  for (let at = 0; at < 2; at++) {
    socket.write('POST /delete HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
    const [data] = (await once(socket, 'data')) as [Buffer];
    t.regex(data.toString(), /^HTTP\/1\.1 400 .*\r\nconnection: keep-alive\r\n/is);
  }
});

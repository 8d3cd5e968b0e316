import { PassThrough, Readable } from 'node:stream';
import test from 'ava';
import { FatalError } from '../../src/errors.ts';
import { createFileSource } from '../../src/sources/file.ts';
import { type Line, readLines } from '../../src/sources/lines.ts';

const batch = { messagesMax: 100, bytesMax: 10_000, lingerMs: 20 };
const always = { signal: new AbortController().signal };
const textsOf = (deliveries: readonly { deliveryId: string; message: { body: Buffer } }[]) =>
  deliveries.map(({ deliveryId, message }) => [deliveryId, message.body.toString()]);

const sourceOf = (stream: Readable, limits = { bytesMax: 20, bytesKept: 5 }) =>
  createFileSource({ stream, name: 'f', toMessage: (line) => ({ body: line, attributes: {} }), limits });

test('lines are the same however the bytes are cut', async (t) => {
  const text = Buffer.from(`a\n\nb\r\n\u2028 é\u2029\r x\n${'long'.repeat(10)}\r\n${'y'.repeat(20)}\r\nlast`);
  const linesOf = async (size: number): Promise<Line[]> => {
    const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, n) =>
      text.subarray(n * size, (n + 1) * size),
    );
    const all: Line[] = [];
    for await (const lines of readLines(Readable.from(chunks, { objectMode: true }), { bytesMax: 20, bytesKept: 5 }))
      all.push(...lines);
    return all;
  };
  const whole = await linesOf(text.length);
  t.deepEqual(
    whole.map(({ number, bytes, oversize }) => [number, bytes.toString(), oversize?.length]),
    [
      [1, 'a', undefined],
      [2, '', undefined],
      [3, 'b', undefined],
      [4, '\u2028 é\u2029\r x', undefined],
      [5, 'longl', 41],
      [6, 'y'.repeat(20), undefined],
      [7, 'last', undefined],
    ],
  );
  for (let size = 1; size < 20; size++) {
    const cut = await linesOf(size);
    t.deepEqual(
      cut.map(({ number, bytes }) => [number, bytes.toString()]),
      whole.map(({ number, bytes }) => [number, bytes.toString()]),
      `cut every ${size} bytes`,
    );
  }
});

test('JSON with U+2028 in it is one message', async (t) => {
  const line = JSON.stringify({ path: 'a\u2028b\u2029c\u0085d' });
  const source = sourceOf(Readable.from([`${line}\n`]), { bytesMax: 1_000, bytesKept: 5 });
  t.deepEqual(textsOf(await source.receive(batch, always)), [['f:1', line]]);
});

test('blank lines are left out, and a line that is too long is delivered as unreadable, with its beginning', async (t) => {
  const source = sourceOf(Readable.from([`one\n \t\ntwo\r\n${'x'.repeat(50)}\ntorn`]));
  const all = await source.receive(batch, always);
  t.deepEqual(textsOf(all), [
    ['f:1', 'one'],
    ['f:3', 'two'],
    ['f:4', 'xxxxx'],
    ['f:5', 'torn'],
  ]);
  t.regex(all[2]?.unreadable ?? '', /line 4 has 50 bytes, more than the 20/);
  t.is(all[2]?.message.attributes['line-bytes'], '50');
  t.deepEqual(await source.receive(batch, always), []);
});

test('an endless line costs no more memory than the limit, and what follows it is read', async (t) => {
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  let held = 0;
  const endless = async function* () {
    for (let n = 0; n < 300; n++) {
      yield Buffer.from(chunk);
      if (n % 50 === 0) held = Math.max(held, process.memoryUsage().arrayBuffers);
    }
    yield Buffer.from('\n{"a":1}\n');
  };
  const source = sourceOf(Readable.from(endless(), { objectMode: true, highWaterMark: 1 }), {
    bytesMax: 4 * 1024 * 1024,
    bytesKept: 100,
  });
  const all = await source.receive({ ...batch, lingerMs: 10_000 }, always);
  t.deepEqual(
    all.map(({ message }) => message.body.length),
    [100, 7],
  );
  t.regex(all[0]?.unreadable ?? '', /has 314572800 bytes/);
  t.true(held < 128 * 1024 * 1024, `held ${held} bytes`);
});

test('a silent pipe keeps nobody waiting: not past the stop, nor the idle time, nor the linger time', async (t) => {
  const pipe = new PassThrough();
  const source = sourceOf(pipe);
  const stop = new AbortController();
  const waiting = source.receive(batch, { signal: stop.signal });
  stop.abort();
  t.deepEqual(await waiting, []);
  t.deepEqual(await source.receive(batch, { ...always, idleMs: 10 }), []);
  pipe.write('one\nhalf');
  t.deepEqual(textsOf(await source.receive(batch, always)), [['f:1', 'one']], 'the linger time ends it');
  pipe.end(' and half\n');
  t.deepEqual(textsOf(await source.receive(batch, always)), [['f:2', 'half and half']], 'what was begun is not lost');
  await source.close();
});

test('a read error comes after every line that was whole before it', async (t) => {
  const failing = async function* () {
    yield Buffer.from('one\ntwo\nto');
    throw new Error('EIO: i/o error');
  };
  const source = sourceOf(Readable.from(failing(), { objectMode: true }));
  t.deepEqual(textsOf(await source.receive(batch, always)), [
    ['f:1', 'one'],
    ['f:2', 'two'],
  ]);
  const error = await t.throwsAsync(source.receive(batch, always), { instanceOf: FatalError });
  t.regex(error?.message ?? '', /cannot read on in f after line 2: EIO/);
});

test('lines that are given back come again first, in their order', async (t) => {
  const source = sourceOf(Readable.from(['a\nb\nc\nd\n']));
  const two = { ...batch, messagesMax: 2 };
  const first = await source.receive(two, always);
  await source.nack(first);
  t.deepEqual(textsOf(await source.receive(two, always)), textsOf(first));
  t.deepEqual(
    textsOf(await source.receive(two, always)).map(([, text]) => text),
    ['c', 'd'],
  );
});

test('a batch holds no more than its messages and bytes, and at least one', async (t) => {
  const source = sourceOf(Readable.from([`${'x'.repeat(15)}\n${'y'.repeat(15)}\nz\nz\nz\n`]));
  const sizes: number[] = [];
  for (let got = 1; got > 0; ) {
    got = (await source.receive({ messagesMax: 2, bytesMax: 10, lingerMs: 20 }, always)).length;
    sizes.push(got);
  }
  t.deepEqual(sizes, [1, 1, 2, 1, 0]);
});

test('a byte order mark alone is no message', async (t) => {
  for (const text of ['\ufeff', '\ufeff\r\n', '\ufeff  \n\n']) {
    const source = createFileSource({
      stream: Readable.from([Buffer.from(text)]),
      name: 'f',
      toMessage: (body) => ({ body, attributes: {} }),
    });
    const { signal } = new AbortController();
    t.deepEqual(await source.receive({ messagesMax: 9, bytesMax: 9_999, lingerMs: 0 }, { signal, idleMs: 100 }), []);
    await source.close();
  }
});

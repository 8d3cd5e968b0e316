import { once } from 'node:events';
import { connect, constants, createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { startBrokerProxy } from './broker-proxy.ts';
import { startTcpProxy } from './tcp-proxy.ts';

/** A broker that answers each stream with a first piece, holds it open, and tells how it ended. */
const startBroker = async () => {
  const server = createServer();
  const ends: Promise<number>[] = [];
  server.on('stream', (stream: ServerHttp2Stream) => {
    ends.push(new Promise((resolve) => stream.once('close', () => resolve(stream.rstCode ?? -1))));
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.on('data', (piece: Buffer) => stream.write(piece));
    stream.on('end', () => stream.end());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { server, ends, port: (server.address() as AddressInfo).port };
};

const openStream = async (port: number) => {
  const session = connect(`http://127.0.0.1:${port}`).on('error', () => undefined);
  const stream = session.request({ ':method': 'POST' }, { endStream: false }).on('error', () => undefined);
  stream.write('ping');
  const [piece] = (await once(stream, 'data')) as [Buffer];
  return { session, stream, piece: piece.toString() };
};

const worldOf = async () => {
  const broker = await startBroker();
  const proxy = await startBrokerProxy(broker.port);
  return {
    broker,
    proxy,
    end: async () => {
      await proxy.stop();
      broker.server.close();
    },
  };
};

test('bytes and trailers go through both ways', async (t) => {
  const { proxy, end } = await worldOf();
  const { session, stream, piece } = await openStream(proxy.port);
  t.is(piece, 'ping');
  stream.end();
  const [trailers] = (await once(stream, 'trailers')) as [Record<string, string>];
  t.is(trailers['grpc-status'], '0');
  session.destroy();
  await end();
});

test('the broker sees the streams of a client whose connection broke cancelled, and those of others go on', async (t) => {
  const { broker, proxy, end } = await worldOf();
  const wire = await startTcpProxy(proxy.port);
  await openStream(wire.port);
  const stays = await openStream(proxy.port);
  wire.cut();
  t.is(await broker.ends[0], constants.NGHTTP2_CANCEL);
  stays.stream.write('pong');
  t.is(String((await once(stays.stream, 'data'))[0]), 'pong');
  stays.session.destroy();
  await wire.stop();
  await end();
});

test('a cut ends every stream on both sides, and lets none in until it is over', async (t) => {
  const { broker, proxy, end } = await worldOf();
  const { stream } = await openStream(proxy.port);
  const closed = once(stream, 'close');
  proxy.cut();
  await closed;
  t.is(await broker.ends[0], constants.NGHTTP2_CANCEL);
  const refused = connect(`http://127.0.0.1:${proxy.port}`).on('error', () => undefined);
  await once(refused, 'close');
  t.is(broker.ends.length, 1);
  proxy.restore();
  const again = await openStream(proxy.port);
  t.is(again.piece, 'ping');
  again.session.destroy();
  await end();
});

test('after a cut another broker can be behind it', async (t) => {
  const { broker, proxy, end } = await worldOf();
  await openStream(proxy.port);
  const other = await startBroker();
  proxy.cut();
  proxy.restore(other.port);
  const { session, piece } = await openStream(proxy.port);
  t.is(piece, 'ping');
  t.deepEqual([broker.ends.length, other.ends.length], [1, 1]);
  session.destroy();
  other.server.close();
  await end();
});

import test from 'ava';
import { unwrapLine } from '../../events/lines.ts';
import { pushedMessage, webhookMessage } from '../../src/sources/http-messages.ts';

test("a CloudEvent's headers are decoded once, and nothing else becomes an attribute", (t) => {
  const headers = {
    'ce-specversion': '1.0',
    'ce-subject': 'f%C3%BCr/100%2525%20a+b.txt',
    'ce-id': '"a \\"quoted\\" id"',
    'ce-type': 'broken%',
    authorization: 'Bearer x',
  };
  t.deepEqual(webhookMessage(headers, Buffer.from('{}')).attributes, {
    'ce-specversion': '1.0',
    'ce-subject': 'für/100%25 a+b.txt',
    'ce-id': 'a "quoted" id',
    'ce-type': 'broken%',
  });
});

test('a push envelope is unwrapped whole or not at all', (t) => {
  const envelope = (message: unknown) => Buffer.from(JSON.stringify({ message, subscription: 's' }));
  const good = pushedMessage(
    envelope({ data: 'aGVsbG8=', attributes: { eventType: 'OBJECT_DELETE' }, messageId: '7' }),
  );
  t.deepEqual(good, { message: { body: Buffer.from('hello'), attributes: { eventType: 'OBJECT_DELETE' } }, id: '7' });
  const empty = { attributes: null, messageId: '7' };
  t.deepEqual(pushedMessage(envelope({ ...empty, data: '' })).message, { body: Buffer.alloc(0), attributes: {} });
  for (const bad of [empty, { data: 5 }, { data: '', attributes: { overwrittenByGeneration: 5 } }, 'text', null]) {
    const body = envelope(bad);
    t.deepEqual(pushedMessage(body).message, { body, attributes: {} }, JSON.stringify(bad));
  }
});

test('what is no text in a push envelope is not repaired into another key, and no envelope is nested without end', (t) => {
  const name = Buffer.from('"objectId":"a_"');
  const envelope = Buffer.from(
    '{"message":{"attributes":{"eventType":"OBJECT_DELETE","objectId":"a_"},"messageId":"7"}}',
  );
  const broken = Buffer.from(envelope);
  broken[envelope.indexOf(name) + name.length - 2] = 0xff;
  t.is(pushedMessage(envelope).message.attributes['objectId'], 'a_');
  const deep = Buffer.from(`{"message":{"data":"","deep":${'['.repeat(5_000)}${']'.repeat(5_000)}}}`);
  const empty = Buffer.from('{"message":{"other":1}}');
  for (const body of [broken, deep, empty])
    t.deepEqual(pushedMessage(body), { message: { body, attributes: {} }, id: '' });
});

test('the largest message of Pub/Sub fits into its envelope, pushed or as a line', (t) => {
  const data = Buffer.alloc(9 * 1024 * 1024, 'x');
  const envelope = JSON.stringify({ message: { data: data.toString('base64'), messageId: '7' }, subscription: 's' });
  t.true(pushedMessage(Buffer.from(envelope)).message.body.equals(data));
  t.true(unwrapLine(envelope).body.equals(data));
});

import test from 'ava';
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
  t.deepEqual(pushedMessage(envelope({ attributes: null, messageId: '7' })).message, {
    body: Buffer.alloc(0),
    attributes: {},
  });
  for (const bad of [{ data: 5 }, { data: '', attributes: { overwrittenByGeneration: 5 } }, 'text', null]) {
    const body = envelope(bad);
    t.deepEqual(pushedMessage(body).message, { body, attributes: {} }, JSON.stringify(bad));
  }
});

import test from 'ava';
import { decode } from '../../events/decode.ts';
import type { BucketEvent } from '../../events/event.ts';
import { pathOfKey } from '../../events/keys.ts';
import { unwrapLine } from '../../events/lines.ts';
import { toNative } from '../../events/native-json.ts';
import { compareEvents, sequencerToken } from '../../events/order.ts';

const message = (body: unknown, attributes: Record<string, string> = {}) => ({
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  attributes,
});
const one = (body: unknown, attributes?: Record<string, string>) => decode(message(body, attributes))[0];
const reasonOf = (body: unknown): string => {
  const decoded = one(body);
  return decoded?.kind === 'reject' || decoded?.kind === 'ignore' ? decoded.reason : `decoded as ${decoded?.kind}`;
};

const native = { id: '1', type: 'create', time: '2026-01-31T12:00:00+02:00', path: 'a', size: 3 };

const s3Record = (eventName: string, object: Record<string, unknown>, eventSource = 'aws:s3') => ({
  eventVersion: '2.1',
  eventSource,
  awsRegion: 'us-east-1',
  eventTime: '2026-01-31T12:00:00.123Z',
  eventName,
  userIdentity: { principalId: 'AIDA' },
  requestParameters: { sourceIPAddress: '127.0.0.1' },
  responseElements: { 'x-amz-request-id': 'C3D13FE58DE4C810', 'x-amz-id-2': 'FMyUVURIY8' },
  s3: {
    s3SchemaVersion: '1.0',
    configurationId: 'all',
    bucket: { name: 'photos', ownerIdentity: { principalId: 'A3' }, arn: 'arn:aws:s3:::photos' },
    object,
  },
});

const put = s3Record('ObjectCreated:Put', {
  key: 'my+folder%2Fred+%2B+blue.txt',
  size: 1024,
  eTag: 'd41d8cd98f00b204e9800998ecf8427e',
  sequencer: '0055AED6DCD90281E5',
});

test('a native event is decoded, its time shifted to UTC, and written again as it was', (t) => {
  const decoded = one(native);
  t.deepEqual(decoded, {
    kind: 'event',
    event: { id: '1', type: 'create', time: '2026-01-31T10:00:00Z', path: 'a', size: 3, source: 'native' },
  });
  const full = {
    id: '2',
    type: 'rename',
    time: '2026-01-31T12:00:00.5Z',
    path: 'd/',
    to: 'e/',
    permissions: '0644',
    version: '42',
    key: 'k',
    modified_at: '2026-01-01T00:00:00Z',
  };
  const again = one(full);
  t.true(again?.kind === 'event');
  if (again?.kind === 'event') t.deepEqual(toNative(again.event), full);
});

for (const [title, change, message] of [
  ['a type that is none', { type: 'creat' }, /type: expected one of .* found "creat" \(did you mean create\?\)/],
  ['a missing id', { id: undefined }, /id is missing/],
  ['the id of an outcome', { id: 'outcome:0123' }, /id: "outcome:0123" is one of the service's own: give .* another/],
  ['the id of an observation', { id: 'not-back:12:a' }, /id: "not-back:12:a" is one of the service's own/],
  ['a time that is none', { time: 'yesterday' }, /time: expected an RFC 3339 time .* found "yesterday"/],
  ['a day that does not exist', { time: '2026-02-30T00:00:00Z' }, /time: expected/],
  [
    'permissions that are a number',
    { permissions: 644 },
    /permissions: expected a string such as "0644", found the number 644: quote it/,
  ],
  ['a negative size', { size: -1 }, /size: expected a number of bytes, found -1/],
  ['a rename without to', { type: 'rename' }, /to \(the full new path of a rename\) is missing/],
  ['a folder that goes into itself', { type: 'move', path: 'd/', to: 'd/e/' }, /cannot go into itself/],
  ['a file that becomes a folder', { type: 'rename', to: 'b/' }, /must both be files, or both be folders/],
] as const) {
  test(`${title} is named with its field`, (t) => {
    t.regex(reasonOf({ ...native, ...change }), message);
  });
}

test('all mistakes of a native event are named at once, each once, and in their order', (t) => {
  t.is(
    reasonOf({ type: 'move', path: '/a', to: 'b//c', size: -1, permissions: 7, scope: 'all', time: 'now' }),
    [
      `native event: path: "/a" starts with '/': its first segment is empty`,
      `to: "b//c" has an empty segment ('//')`,
      'size: expected a number of bytes, found -1',
      'permissions: expected a string such as "0644", found the number 7: quote it',
      'scope: expected "marker", found "all"',
      'id is missing',
      'time: expected an RFC 3339 time such as "2026-01-31T12:00:00Z", found "now"',
    ].join('; '),
  );
  t.regex(reasonOf({ ...native, type: 'change', id: null }), /^native event: type: expected one of .*; id is missing$/);
  const { time: _, ...timeless } = native;
  t.is(
    reasonOf({ ...timeless, type: 'change_permission', path: 'd/', permissions: 644 }),
    'native event: permissions: expected a string such as "0644", found the number 644: quote it; time is missing',
    'what is there is not missing',
  );
  t.regex(reasonOf({ ...timeless, path: 'd/' }), /^native event: size: "d\/" names a folder .*; time is missing$/);
});

test('an S3 notification gives the same event raw, through SNS and inside Pub/Sub', (t) => {
  const raw = one({ Records: [put] });
  t.like(raw, {
    kind: 'event',
    event: {
      type: 'create',
      path: 'my folder/red + blue.txt',
      size: 1024,
      etag: 'd41d8cd98f00b204e9800998ecf8427e',
      version: sequencerToken('0055AED6DCD90281E5'),
      source: 's3',
    },
  });
  t.deepEqual(one({ Type: 'Notification', Message: JSON.stringify({ Records: [put] }) }), raw);
  const line = JSON.stringify({
    message: { data: Buffer.from(JSON.stringify({ Records: [put] })).toString('base64'), attributes: { a: 'b' } },
  });
  t.deepEqual(decode(unwrapLine(line))[0], raw);
  t.deepEqual(decode(unwrapLine(JSON.stringify({ MessageId: 'm', Body: JSON.stringify({ Records: [put] }) })))[0], raw);
});

test('what changes neither content nor permissions is ignored, what is unknown is refused', (t) => {
  for (const name of [
    'ObjectTagging:Put',
    'ObjectRestore:Delete',
    'ObjectRestore:Completed',
    's3:ObjectCreated:PutTagging',
    's3:ObjectRemoved:NoOP',
    'LifecycleTransition',
  ]) {
    t.is(one({ Records: [s3Record(name, { key: 'a' })] })?.kind, 'ignore', name);
  }
  t.is(
    one({
      Service: 'Amazon S3',
      Event: 's3:TestEvent',
      Time: '2026-01-01T00:00:00Z',
      Bucket: 'photos',
      RequestId: 'x',
      HostId: 'y',
    })?.kind,
    'ignore',
  );
  t.regex(
    reasonOf({ Records: [s3Record('ObjectInvented:Now', { key: 'a' })] }),
    /event name "ObjectInvented:Now" is not known/,
  );
  t.regex(reasonOf({ Records: [{ ...put, eventVersion: '3.0' }] }), /event version "3.0" is not known/);
});

test('one bad record does not take its neighbours along', (t) => {
  const bad = s3Record('ObjectCreated:Put', { key: '%E0%A4%A', size: 1 });
  t.deepEqual(
    decode(message({ Records: [put, bad, put] })).map(({ kind }) => kind),
    ['event', 'reject', 'event'],
  );
});

test('only the bucket can tell what a versioned delete or an ACL change means', (t) => {
  t.like(
    one({ Records: [s3Record('ObjectRemoved:DeleteMarkerCreated', { key: 'a', versionId: 'v1', sequencer: '1' })] }),
    { kind: 'ask', question: 'head', key: 'a' },
  );
  t.like(one({ Records: [s3Record('ObjectRemoved:Delete', { key: 'a', sequencer: '1' })] }), {
    kind: 'event',
    event: { type: 'delete' },
  });
  t.like(one({ Records: [s3Record('ObjectAcl:Put', { key: 'a' })] }), { kind: 'ask', question: 'acl' });
});

test('deleting a folder marker concerns the marker alone, a native folder delete all beneath', (t) => {
  t.like(one({ Records: [s3Record('ObjectRemoved:Delete', { key: 'd%2F', sequencer: '1' })] }), {
    kind: 'event',
    event: { path: 'd/', scope: 'marker' },
  });
  const decoded = one({ ...native, type: 'delete', path: 'd/' });
  t.true(decoded?.kind === 'event' && decoded.event.scope === undefined);
});

test("permissions that a folder marker keeps are not the folder's, whoever tells of them", (t) => {
  const mode = String(0o040700);
  const size = { size: 0, etag: 'x' };
  const gcs = { bucketId: 'photos', objectId: 'd/', objectGeneration: '1', eventTime: '2026-01-01T00:00:00Z' };
  const resource = { metageneration: '2', size: '0', md5Hash: '1B2M2Y8AsgTpgAmY7PhCfg==', metadata: { mode } };
  const create = 's3:ObjectCreated:Put';
  for (const created of [
    one({ Records: [s3Record(create, { key: 'd%2F', ...size, userMetadata: { mode } }, 'minio:s3')] }),
    one({ Records: [s3Record(create, { key: 'd/', ...size, metadata: [{ key: 'mode', val: mode }] }, 'ceph:s3')] }),
    one(resource, { ...gcs, eventType: 'OBJECT_FINALIZE' }),
  ]) {
    t.like(created, { kind: 'event', event: { type: 'create', path: 'd/' } });
    t.false(created?.kind === 'event' && 'permissions' in created.event);
  }
  for (const changed of [
    one({ Records: [s3Record('ObjectAcl:Put', { key: 'd%2F' })] }),
    one(resource, { ...gcs, eventType: 'OBJECT_METADATA_UPDATE' }),
    one({}, { ...gcs, eventType: 'OBJECT_METADATA_UPDATE', payloadFormat: 'NONE' }),
  ])
    t.is(changed?.kind, 'ignore', 'it would be taken for a change of all beneath');
});

test('MinIO, Ceph, EventBridge, GCS and CloudEvents are recognised', (t) => {
  t.like(
    one({
      EventName: 's3:ObjectCreated:Put',
      Key: 'photos/a',
      Records: [s3Record('s3:ObjectCreated:Put', { key: 'a%20b', sequencer: '16F' }, 'minio:s3')],
    }),
    { event: { path: 'a b', size: 0, source: 'minio' } },
  );
  t.like(
    one({ Records: [s3Record('s3:ObjectCreated:Put', { key: 'a+b', etag: 'x', size: 1, sequencer: 'F' }, 'ceph:s3')] }),
    { event: { path: 'a+b', etag: 'x', source: 'ceph' } },
  );
  t.like(
    one({
      version: '0',
      id: 'e',
      'detail-type': 'Object Created',
      source: 'aws.s3',
      time: '2026-01-31T12:00:00Z',
      detail: {
        version: '0',
        bucket: { name: 'photos' },
        object: { key: 'a+b%20', size: 5, etag: 'x', sequencer: 'F' },
        reason: 'PutObject',
      },
    }),
    { event: { path: 'a+b%20', size: 5 } },
  );
  const gcs = {
    notificationConfig: 'projects/_/buckets/b/notificationConfigs/1',
    eventType: 'OBJECT_FINALIZE',
    payloadFormat: 'JSON_API_V1',
    bucketId: 'photos',
    objectId: 'a b',
    objectGeneration: '1587627537231057',
    eventTime: '2026-01-31T12:00:00.123456Z',
  };
  t.like(one({ size: '7', md5Hash: 'XrY7u+Ae7tCTyyK7j1rNww==', metageneration: '1' }, gcs), {
    event: { path: 'a b', size: 7, etag: '5eb63bbbe01eeed093cb22bb8f5acdc3' },
  });
  t.is(
    one('', { ...gcs, payloadFormat: 'NONE', eventType: 'OBJECT_DELETE', overwrittenByGeneration: '2' })?.kind,
    'ignore',
  );
  t.like(one('', { ...gcs, payloadFormat: 'NONE', eventType: 'OBJECT_DELETE' }), { event: { type: 'delete' } });
  t.like(
    one({
      specversion: '1.0',
      id: 'c',
      type: 'com.example.create',
      source: '/x',
      time: '2026-01-31T12:00:00Z',
      data: { path: 'a' },
    }),
    { event: { id: '/x c', type: 'create', path: 'a' } },
  );
  t.like(
    one(
      { path: 'a', size: 1 },
      { 'ce-specversion': '1.0', 'ce-id': 'c', 'ce-type': 'com.example.delete', 'ce-time': '2026-01-31T12:00:00Z' },
    ),
    { event: { id: 'c', type: 'delete', path: 'a' } },
  );
});

test('a message about another bucket is refused', (t) => {
  const [decoded] = decode(message({ Records: [put] }), { bucket: 'documents' });
  t.like(decoded, {
    kind: 'reject',
    reason: 'S3 notification: it is about bucket "photos", and "documents" is configured',
  });
});

test('a line that has a messageId and nothing else of a broker is no message without a body', (t) => {
  for (const line of [
    '{"messageId":"m1","body":"one"}',
    '{"messageId":"m1","Records":[]}',
    '{"messageId":"m1","receiptHandle":"r","body":"one","attributes":{}}',
    '{"message":{"messageId":"m1"}}',
  ])
    t.deepEqual(unwrapLine(line), { body: Buffer.from(line), attributes: {} });
});

test('null in the data of a CloudEvent is as good as absent', (t) => {
  const envelope = { specversion: '1.0', id: '1', source: '/s', type: 'x.create', time: '2026-01-31T12:00:00Z' };
  const [decoded] = decode(message({ ...envelope, subject: 'a', data: { id: null, path: null, size: 3, etag: null } }));
  t.like(decoded, { kind: 'event', event: { id: '/s 1', path: 'a', size: 3 } });
});

test('limits hold before parsing, and prototypes are data', (t) => {
  t.regex(reasonOf('['.repeat(100) + ']'.repeat(100)), /nested deeper than 32/);
  t.regex(reasonOf(JSON.stringify({ a: 'x'.repeat(11 * 1024 * 1024) })), /more than the \d+ that are read/);
  t.regex(reasonOf(`{"Records":[${'{},'.repeat(600_000)}{}]}`), /more than 1000000 values/);
  t.is(decode({ body: Buffer.from([0x7b, 0xff, 0x7d]), attributes: {} })[0]?.kind, 'reject');
  t.regex(
    reasonOf('{"__proto__":{"type":"create","path":"a","id":"1","time":"2026-01-01T00:00:00Z"}}'),
    /of no known kind/,
  );
  t.is(({} as Record<string, unknown>).type, undefined);
});

test('a key is its own path, or none with a reason', (t) => {
  for (const key of [
    'a',
    'a b',
    'ä/ö',
    'CON',
    'a\r\nb',
    'a:b',
    '%2B',
    '+',
    'A',
    '\u0065\u0301',
    '😀',
    'd/',
    '...',
    'x'.repeat(255),
  ])
    t.deepEqual(pathOfKey(key), { path: key });
  for (const key of [
    '',
    '/a',
    'a//b',
    '.',
    '..',
    'a/../b',
    'a/.',
    'a\0b',
    '\ud800',
    '/',
    'x'.repeat(256),
    'é'.repeat(600),
  ])
    t.true('problem' in pathOfKey(key), JSON.stringify(key));
});

test('sequencers compare as numbers of any width and case', (t) => {
  const event = (version: string | undefined, offset: number) => ({
    id: `${offset}`,
    time: '2026-01-01T00:00:00Z',
    offset,
    ...(version !== undefined && { version }),
  });
  t.true(compareEvents(event(sequencerToken('0F'), 2), event(sequencerToken('10'), 1)) < 0);
  t.is(sequencerToken('00ab'), sequencerToken('AB'));
  t.is(sequencerToken('xyz'), undefined);
});

test('a CloudEvent is told from others by its source and its id together, in every mode', (t) => {
  const idOf = (value: unknown, attributes: Readonly<Record<string, string>> = {}): string | undefined => {
    const decoded = one(value, attributes);
    return decoded?.kind === 'event' ? decoded.event.id : undefined;
  };
  const at = { type: 'create', time: '2026-01-31T12:00:00Z' };
  const structured = (more: object) => idOf({ specversion: '1.0', id: '1', ...at, data: { path: 'p' }, ...more });
  t.is(structured({ source: '/a' }), '/a 1');
  t.is(structured({ source: '/b' }), '/b 1');
  const binary = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/a', 'ce-type': at.type, 'ce-time': at.time };
  t.is(idOf({ path: 'p' }, binary), '/a 1', 'one event is the same in both modes');
  t.is(
    structured({ source: '/a', data: { path: 'p', id: 'own' } }),
    'own',
    "an id in the data is the event's own, bare or in any envelope",
  );
  t.not(structured({ source: 'a b', id: 'c' }), structured({ source: 'a', id: 'b c' }), 'no two pairs are one text');
  t.is(structured({}), '1', 'a producer that names no source is known by its ids alone');
  t.is(structured({ source: '' }), '1');
  t.is(structured({ source: '/a', id: '' }), undefined, 'a source does not stand in for an id');
  t.is(structured({ source: '/a', id: undefined }), undefined);
  t.is(structured({ source: 7 }), undefined);
  t.is(idOf({ id: '1', ...at, path: 'p', source: '/a' }), '1', 'a bare event is no CloudEvent');
});

test('an attribute that is no text is never taken for one that was not sent', (t) => {
  const body = { path: 'p' };
  const at = { type: 'create', time: '2026-01-31T12:00:00Z' };
  const attributes = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-type': at.type, 'ce-time': at.time };
  const spelled = (name: string, source: unknown) =>
    Object.fromEntries(
      Object.entries({ ...attributes, 'ce-source': source }).map(([key, value]) => [key, { [name]: value }]),
    );
  const queued = (source: unknown) =>
    decode(
      unwrapLine(JSON.stringify({ Body: JSON.stringify(body), MessageAttributes: spelled('StringValue', source) })),
    );
  t.like(queued('/a')[0], { event: { id: '/a 1' } });
  t.is(queued(7)[0]?.kind, 'reject');
  const published = (source: unknown) =>
    one({ Type: 'Notification', Message: JSON.stringify(body), MessageAttributes: spelled('Value', source) });
  t.like(published('/a'), { event: { id: '/a 1' } });
  t.is(published(7)?.kind, 'reject');
});

test('without versions, MinIO orders by time, its sequencer is a tie-break, and a delete is asked for', (t) => {
  const decoded = (
    eventTime: string,
    sequencer: string,
    object: Record<string, unknown> = {},
    name = 'ObjectCreated:Put',
  ) => {
    const record = s3Record(`s3:${name}`, { key: 'a', eTag: 'e', sequencer, ...object }, 'minio:s3');
    const found = one({ Records: [{ ...record, eventTime }] });
    if (found?.kind !== 'event' && found?.kind !== 'ask') throw new Error(`no event, but ${found?.kind}`);
    return found;
  };
  const compared = (...[a, b]: readonly { readonly event: BucketEvent }[]) =>
    compareEvents(
      { ...(a as { event: BucketEvent }).event, offset: 2 },
      { ...(b as { event: BucketEvent }).event, offset: 1 },
    );
  const [early, late] = ['2026-01-31T12:00:00.001Z', '2026-01-31T12:00:00.010Z'] as const;
  t.true(compared(decoded(early, '2F'), decoded(late, '1F')) < 0, 'the one written first was the last to be stored');
  t.true(compared(decoded(late, '1F'), decoded(late, '2F')) < 0);
  t.true(
    compared(decoded('2026-01-31T12:00:00Z', '2F'), decoded(early, '1F')) < 0,
    'whatever digits a time is written with',
  );
  const version = { versionId: '7a9752a6-bb2e-457b-8a45-5b2bc6550366' };
  t.true(
    compared(decoded(early, '2F', version), decoded(late, '1F', version)) > 0,
    'versions stand in the order of it',
  );
  const without = { versionId: 'null' };
  t.true(compared(decoded(early, '2F', without), decoded(late, '1F', without)) < 0, 'one without a version does not');

  t.like(decoded(early, '1F', {}, 'ObjectRemoved:Delete'), { kind: 'ask', question: 'head', unasked: 'event' });
  t.like(decoded(early, '1F', version, 'ObjectRemoved:Delete'), { kind: 'ask', unasked: 'reject' });
  const ceph = s3Record('ObjectRemoved:Delete', { key: 'a', versionId: '', sequencer: '1F' }, 'ceph:s3');
  t.like(
    one({ Records: [ceph] }),
    { kind: 'ask', question: 'head', unasked: 'event' },
    'so it is where only time orders',
  );
  const s3 = s3Record('ObjectRemoved:Delete', { key: 'a', sequencer: '1F' });
  t.like(
    one({ Records: [s3] }),
    { kind: 'event', event: { version: 's3:00021f' } },
    'and not where the sequencer is proof',
  );
  t.is(decoded(early, '1F').event.id, decoded(late, '1F').event.id, 'the id is that of the sequencer');
});

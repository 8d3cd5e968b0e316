import test from 'ava';
import fc from 'fast-check';
import { decodeNotificationKey, pathOfKey, pathOfObject } from '../../events/keys.ts';
import { windowsProblem } from '../../src/file-manager/paths.ts';
import { contentOf, keys } from './keys.ts';

test('the fixture holds at least 40 hostile keys, each once', (t) => {
  t.true(keys.length >= 40);
  t.is(new Set(keys.map(({ key }) => key)).size, keys.length);
});

for (const one of keys) {
  test(`${one.name}: ${one.refused === undefined ? 'its own path' : 'refused with its reason'}`, (t) => {
    const checked = pathOfObject(one.key, Buffer.byteLength(contentOf(one)));
    if (one.refused === undefined) t.deepEqual(checked, { path: one.key });
    else t.regex('problem' in checked ? checked.problem : '', new RegExp(one.refused));
  });
}

test('every key of a notification is read once, and no two keys share a path', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), (key) => {
      fc.pre(key.isWellFormed());
      // As AWS and MinIO write it: a space is `+`, and `/` comes raw or encoded.
      const encoded = encodeURIComponent(key).replaceAll('%20', '+');
      t.is(decodeNotificationKey(encoded), key);
      t.is(decodeNotificationKey(encoded.replaceAll('%2F', '/')), key);
      const checked = pathOfKey(key);
      if ('path' in checked) t.is(checked.path, key);
    }),
    { numRuns: 2_000 },
  );
});

test('names that Windows refuses, or would take for another, are refused by a file manager there', (t) => {
  for (const name of ['CON', 'con.txt', 'NUL .x', 'aux', 'COM1', 'lpt9.log', 'a:b', 'a\\b', 'a?', 'a*', 'a<b>', 'a|b'])
    t.is(typeof windowsProblem(name), 'string', name);
  for (const name of ['a.', 'a ', '\"a\"', 'a\tb', 'line\nfeed', 'CONOUT$', 'COM\u00b9'])
    t.is(typeof windowsProblem(name), 'string', name);
  for (const name of ['console', 'nullable', 'com10', 'auxiliary.txt', 'a.b', '.hidden', 'caf\u00e9', '\u{1f4f7}', "'"])
    t.is(windowsProblem(name), undefined, name);
});

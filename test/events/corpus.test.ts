import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { decode } from '../../events/decode.ts';
import { corpusFolder, messageOf, samples } from './corpus.ts';

/** UPDATE_GOLDEN=1 writes what the samples decode to now; the change is then read like any other. */
const update = process.env.UPDATE_GOLDEN === '1';

test('the samples cover every producer', (t) => {
  const groups = new Map<string, number>();
  for (const { name } of samples) {
    const group = name.slice(0, name.indexOf('/'));
    groups.set(group, (groups.get(group) ?? 0) + 1);
  }
  for (const group of 'native cloudevents s3 sns eventbridge gcs minio ceph storj delivered hostile'.split(' '))
    t.true((groups.get(group) ?? 0) >= 5, group);
  t.true(samples.length >= 150);
});

for (const sample of samples) {
  test(`${sample.name} decodes to its golden file`, (t) => {
    const decoded = decode(messageOf(sample, sample.bytes), { bucket: 'photos' });
    const text = `${decoded.map((one) => JSON.stringify(one, undefined, 2)).join('\n')}\n`;
    if (update) writeFileSync(sample.goldenFile, text);
    t.is(text, readFileSync(sample.goldenFile, 'utf8'));
  });
}

test('every golden file and every file of attributes belongs to a sample', (t) => {
  const names = new Set(samples.map(({ name }) => name));
  for (const file of readdirSync(corpusFolder, { recursive: true, encoding: 'utf8' })) {
    if (/\.(golden|attributes)$/.test(file)) t.true(names.has(file.replace(/\.\w+$/, '')), file);
  }
  for (const { goldenFile } of samples) t.true(existsSync(goldenFile), join(goldenFile));
});

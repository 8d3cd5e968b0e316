import { createHash } from 'node:crypto';
import test from 'ava';
import { expectationOf, type Running, type Stated } from '../../src/bucket/checksum.ts';
import { crc32c, crc64nvme } from '../../src/bucket/crc.ts';

const hexOf = (running: Running, pieces: readonly string[]): string => {
  for (const piece of pieces) running.update(Buffer.from(piece));
  return Buffer.from(running.digest(), 'base64').toString('hex');
};

test('CRC32C and CRC64NVME have the check values of their definitions, however the bytes are cut', (t) => {
  for (const pieces of [['123456789'], ['1', '2345678', '9'], ['', '123456789', '']]) {
    t.is(hexOf(crc32c(), pieces), 'e3069283');
    t.is(hexOf(crc64nvme(), pieces), 'ae8b14860a799888');
  }
  t.is(hexOf(crc32c(), []), '00000000');
  t.is(hexOf(crc64nvme(), []), '0000000000000000');
});

const md5 = createHash('md5').update('123456789').digest('hex');
const stated = (given: Partial<Stated>): Stated => ({ etag: md5, checksums: {}, ...given });

test('each checksum that a bucket can state verifies the bytes it was made of', (t) => {
  const checksums = {
    sha256: createHash('sha256').update('123456789').digest('base64'),
    sha1: createHash('sha1').update('123456789').digest('base64'),
    crc64nvme: Buffer.from('ae8b14860a799888', 'hex').toString('base64'),
    crc32c: Buffer.from('e3069283', 'hex').toString('base64'),
    crc32: Buffer.from('cbf43926', 'hex').toString('base64'),
  } as const;
  for (const [name, value] of Object.entries(checksums)) {
    const { by, expected, start } = expectationOf(stated({ etag: 'opaque', checksums: { [name]: value } }));
    t.is(by, name as typeof by);
    const running = start();
    running.update(Buffer.from('12345'));
    running.update(Buffer.from('6789'));
    t.is(running.digest(), expected);
  }
  t.is(expectationOf(stated({ checksums })).by, 'sha256', 'the strongest one');
});

test('an etag is an MD5 only by its shape and without encryption by another key', (t) => {
  t.is(expectationOf(stated({})).by, 'md5');
  t.is(expectationOf(stated({ encryption: 'AES256' })).by, 'md5');
  t.is(expectationOf(stated({ etag: `${md5}-3` })).by, 'unverified', 'a multipart upload');
  t.is(expectationOf(stated({ encryption: 'aws:kms' })).by, 'unverified');
  t.is(expectationOf(stated({ encryption: 'aws:kms:dsse' })).by, 'unverified');
  t.is(expectationOf(stated({ customerKey: true })).by, 'unverified');
});

test("a checksum of parts' checksums is not taken for one of the bytes", (t) => {
  const crc = Buffer.from('e3069283', 'hex').toString('base64');
  const composite = stated({ etag: `${md5}-2`, checksums: { crc32c: crc }, checksumType: 'COMPOSITE' });
  t.is(expectationOf(composite).by, 'unverified');
  t.is(expectationOf(stated({ etag: `${md5}-2`, checksums: { crc32c: `${crc}-2` } })).by, 'unverified');
});

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { crc32c, crc64nvme } from './crc.ts';

/** How an object's bytes are verified; `unverified` beyond their length where the store states no usable checksum. */
export type Verification = 'sha256' | 'sha1' | 'crc64nvme' | 'crc32c' | 'crc32' | 'md5' | 'unverified';

export type Running = { update(chunk: Uint8Array): void; digest(): string };

/** What the store says the bytes must come to. `expected` is in the encoding that `start().digest()` gives. */
export type Expectation = {
  readonly by: Verification;
  readonly expected: string;
  readonly start: () => Running;
};

/** What an answer states about the content, as far as it can prove anything. */
export type Stated = {
  readonly etag: string;
  /** `x-amz-checksum-*` by algorithm, base64. */
  readonly checksums: Readonly<Partial<Record<Verification, string | undefined>>>;
  /** `COMPOSITE`: a checksum of the parts' checksums, which the bytes alone do not tell. */
  readonly checksumType?: string | undefined;
  /** `x-amz-server-side-encryption`. */
  readonly encryption?: string | undefined;
  readonly customerKey?: boolean;
};

const hashed = (algorithm: string, encoding: 'hex' | 'base64') => (): Running => {
  const hash = createHash(algorithm);
  return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest(encoding) };
};

const crc32Running = (): Running => {
  let value = 0;
  return {
    update: (chunk) => {
      value = crc32(chunk, value);
    },
    digest: () => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes.toString('base64');
    },
  };
};

/** Strongest first. */
const algorithms = [
  ['sha256', hashed('sha256', 'base64')],
  ['sha1', hashed('sha1', 'base64')],
  ['crc64nvme', crc64nvme],
  ['crc32c', crc32c],
  ['crc32', crc32Running],
] as const;

const unverified: Expectation = {
  by: 'unverified',
  expected: '',
  start: () => ({ update: () => {}, digest: () => '' }),
};

/**
 * How to verify the bytes. A stated checksum comes before the etag, since some stores (S3 Express, Ceph with compression)
 * give etags that only look like an MD5. An etag is an MD5 only where it has its shape (a multipart upload's has a `-`)
 * and the object is not encrypted with a key of KMS or of the customer.
 */
export const expectationOf = ({ etag, checksums, checksumType, encryption, customerKey }: Stated): Expectation => {
  if (checksumType !== 'COMPOSITE') {
    for (const [by, start] of algorithms) {
      const expected = checksums[by];
      // A checksum that ends in `-N` is a composite one of N parts, whatever the type says.
      if (expected !== undefined && /^[A-Za-z0-9+/]+=*$/.test(expected)) return { by, expected, start };
    }
  }
  const plain = encryption === undefined || encryption === 'AES256';
  if (plain && !customerKey && /^[0-9a-f]{32}$/i.test(etag))
    return { by: 'md5', expected: etag.toLowerCase(), start: hashed('md5', 'hex') };
  return unverified;
};

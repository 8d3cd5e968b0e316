/**
 * CRC32C and CRC64NVME, which S3 states in `x-amz-checksum-*` and Node cannot compute. Both are reflected, start with all
 * ones and end inverted; digests are big-endian base64, as in the header.
 */
type Running = { update(chunk: Uint8Array): void; digest(): string };

const base64Of = (...words: readonly number[]): string => {
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, index) => {
    bytes.writeUInt32BE(word >>> 0, index * 4);
  });
  return bytes.toString('base64');
};

/** For each byte the polynomial's remainder, its high and low 32 bits apart: BigInt would be far slower. */
const tableOf = (polynomial: bigint): { high: Uint32Array; low: Uint32Array } => {
  const high = new Uint32Array(256);
  const low = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ polynomial : value >> 1n;
    high[byte] = Number(value >> 32n);
    low[byte] = Number(value & 0xffffffffn);
  }
  return { high, low };
};

const castagnoli = tableOf(0x82f63b78n).low;
const nvme = tableOf(0x9a6c9329ac4bc9b5n);

export const crc32c = (): Running => {
  let crc = -1;
  return {
    update: (chunk) => {
      let value = crc;
      for (let at = 0; at < chunk.length; at++)
        value = (value >>> 8) ^ (castagnoli[(value ^ (chunk[at] as number)) & 255] as number);
      crc = value;
    },
    digest: () => base64Of(~crc),
  };
};

export const crc64nvme = (): Running => {
  const { high, low } = nvme;
  let upper = -1;
  let lower = -1;
  return {
    update: (chunk) => {
      let h = upper;
      let l = lower;
      for (let at = 0; at < chunk.length; at++) {
        const index = (l ^ (chunk[at] as number)) & 255;
        l = ((l >>> 8) | (h << 24)) ^ (low[index] as number);
        h = (h >>> 8) ^ (high[index] as number);
      }
      upper = h;
      lower = l;
    },
    digest: () => base64Of(~upper, ~lower),
  };
};

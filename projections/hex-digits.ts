/** The values of four hexadecimal digits, a byte each. */
const valuesOf = (digits: number): number => (digits & 0x0f0f0f0f) + ((digits >>> 6) & 0x01010101) * 9;
/** The digits of four values below 16. */
const digitsOf = (values: number): number => values + 0x30303030 + (((values + 0x06060606) >>> 4) & 0x01010101) * 0x27;
/** Four values below 16 in 16 bits, and back. */
const squeeze = (values: number): number => {
  const pairs = values | (values >>> 4);
  return (pairs & 0xff) | ((pairs >>> 8) & 0xff00);
};
const spread = (bits: number): number => {
  const pairs = (bits & 0xff) | ((bits & 0xff00) << 8);
  return (pairs | (pairs << 4)) & 0x0f0f0f0f;
};

/** Four lower-case hexadecimal digits as 16 bits; -1 where any is something else. */
export const hexIn = (bytes: DataView, at: number): number => {
  const digits = bytes.getInt32(at, true);
  const values = valuesOf(digits);
  return (values & 0xf0f0f0f0) === 0 && digitsOf(values) === digits ? squeeze(values) : -1;
};

/** Writes 16 bits as the four digits that they came of. */
export const writeHex = (bytes: DataView, at: number, bits: number): void =>
  bytes.setInt32(at, digitsOf(spread(bits)), true);

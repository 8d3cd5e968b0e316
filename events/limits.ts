/**
 * Limits that hold before anything is parsed. They are wide enough for every producer's real messages (Pub/Sub 10 MB,
 * SQS 1 MiB) and bound what one message can cost.
 */
export const limits = {
  bodyBytesMax: 10 * 1024 * 1024,
  /** Of a broker's envelope, which may carry the longest body in base64. */
  envelopeBytesMax: 16 * 1024 * 1024,
  depthMax: 32,
  /** Objects, lists and what they hold: memory that a message takes goes by their number, not by its bytes. */
  valuesMax: 1_000_000,
  recordsMax: 10_000,
  /** Of any single field that the service keeps, in UTF-16 code units. */
  textMax: 4_096,
} as const;

const quote = 0x22;
const backslash = 0x5c;

/** What is too much in a JSON text, found without parsing it: nesting, or the number of values. */
const excessOf = (body: Buffer): string | undefined => {
  let depth = 0;
  let values = 0;
  let inString = false;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (inString) {
      if (byte === backslash) at++;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      values++;
      if (++depth > limits.depthMax) return `the message is nested deeper than ${limits.depthMax} levels`;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
    else if (byte === 0x2c) values++;
    if (values > limits.valuesMax) return `the message holds more than ${limits.valuesMax} values`;
  }
  return undefined;
};

/** A JSON object whose fields nobody has looked at yet. `__proto__` and friends are own fields like any other. */
export type JsonObject = { readonly [name: string]: unknown };

export type Parsed = { readonly value: unknown } | { readonly problem: string };

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/** Parses a body within the limits. Never throws. */
export const parseJson = (body: Buffer, bytesMax: number = limits.bodyBytesMax): Parsed => {
  if (body.length > bytesMax) {
    return { problem: `the message has ${body.length} bytes, more than the ${bytesMax} that are read` };
  }
  const excess = excessOf(body);
  if (excess !== undefined) return { problem: excess };
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    return { problem: 'the message is not valid UTF-8' };
  }
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { problem: `the message is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
};

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An own field of an object; never an inherited one. */
export const field = (object: unknown, name: string): unknown =>
  isObject(object) && Object.hasOwn(object, name) ? object[name] : undefined;

/** An own field that is a non-empty string within the limit. */
export const textField = (object: unknown, name: string): string | undefined => {
  const value = field(object, name);
  return typeof value === 'string' && value !== '' && value.length <= limits.textMax ? value : undefined;
};

import type { Sample } from './corpus.ts';

type Random = () => number;

const pick = <T>(items: readonly T[], random: Random): T => items[Math.floor(random() * items.length)] as T;

/** Up to eight bytes changed, most often one, most often by one bit. */
export const flipped = (bytes: Buffer, random: Random): Buffer => {
  const copy = Buffer.from(bytes);
  if (copy.length === 0) return copy;
  for (let left = random() < 0.7 ? 1 : 1 + Math.floor(random() * 8); left > 0; left--) {
    const at = Math.floor(random() * copy.length);
    const byte = copy[at] as number;
    copy[at] = random() < 0.7 ? byte ^ (1 << Math.floor(random() * 8)) : Math.floor(random() * 256);
  }
  return copy;
};

/** Cut off somewhere, or with a piece cut out or repeated. */
export const torn = (bytes: Buffer, random: Random): Buffer => {
  const from = Math.floor(random() * bytes.length);
  const to = from + Math.floor(random() * (bytes.length - from));
  const kind = random();
  if (kind < 0.5) return bytes.subarray(0, from);
  return Buffer.concat([bytes.subarray(0, kind < 0.75 ? from : to), bytes.subarray(kind < 0.75 ? to : from)]);
};

type Place = { readonly holder: Record<string, unknown>; readonly name: string };

const placesIn = (value: unknown, places: Place[] = []): Place[] => {
  if (typeof value === 'object' && value !== null) {
    for (const name of Object.keys(value)) {
      const holder = value as Record<string, unknown>;
      places.push({ holder, name });
      placesIn(holder[name], places);
    }
  }
  return places;
};

/** Values of other types than the one that stands there. None is a text: the mutation must not be a plausible value. */
const others = (value: unknown): readonly unknown[] =>
  [7, -1, 1.5, true, [], ['x'], { a: 1 }, 'swapped'].filter((other) => {
    const kind = (one: unknown): string => (Array.isArray(one) ? 'array' : typeof one);
    return kind(other) !== kind(value);
  });

/** One field of a JSON message, at any depth, given a value of another type. Undefined where the message is no JSON object. */
export const retyped = (bytes: Buffer, random: Random): { bytes: Buffer; field: string } | undefined => {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
  const places = placesIn(value);
  if (places.length === 0) return undefined;
  const { holder, name } = pick(places, random);
  holder[name] = pick(others(holder[name]), random);
  return { bytes: Buffer.from(JSON.stringify(value)), field: name };
};

/** A sample's bytes changed in one of the three ways. */
export const mutated = (sample: Sample, random: Random): { bytes: Buffer; retyped?: string } => {
  const kind = random();
  if (kind < 0.4) return { bytes: flipped(sample.bytes, random) };
  if (kind < 0.6) return { bytes: torn(sample.bytes, random) };
  const swap = retyped(sample.bytes, random);
  return swap ? { bytes: swap.bytes, retyped: swap.field } : { bytes: flipped(sample.bytes, random) };
};

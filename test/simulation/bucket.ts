import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Bucket, ListedObject, ObjectFacts } from '../../src/bucket/bucket.ts';
import { UnreadableError } from '../../src/bucket/errors.ts';
import { RetryableError, SupersededError } from '../../src/errors.ts';
import type { Chance, Faults } from './chance.ts';
import type { VirtualClock } from './clock.ts';

type Held = { bytes: Buffer; etag: string; permissions: string | null; modifiedAt: string };

const files = ['a', 'b', 'c.txt', 'd/x', 'd/y', 'd/e/z', 'f/x', 'f/g/h', 'k', 'ü/ß', '\u{1f600}'];
const folders = ['d/', 'd/e/', 'f/', 'f/g/', 'n/'];
const inTheWay = (a: string, b: string): boolean => a.startsWith(`${b}/`) || b.startsWith(`${a}/`);

/** A native event as its producer would publish it. */
export type Published = {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly path: string;
} & Readonly<Record<string, unknown>>;

/**
 * The customer's bucket in memory, and the producer that changes it. Its clock moves two seconds with each change, so that
 * a listing's whole seconds tell what came before it.
 */
export const createSimulatedBucket = (
  chance: Chance,
  faults: Faults,
  clock: VirtualClock,
  skew: Chance,
  publish: (event: Published) => void,
) => {
  const objects = new Map<string, Held>();
  let time = Date.UTC(2030, 0, 1);
  let number = 0;
  let clockOffMs = 0;
  const locked = new Map<string, number>();
  const now = (): string => new Date(time).toISOString();

  const tell = (event: Record<string, unknown> & { type: string; path: string }): void => {
    number += 1;
    // Its order tokens are made from its clock.
    const aheadS = faults.strikes("producer's clock hours ahead", 0.01, skew) ? 36_000 : 0;
    const stated = new Date(time + aheadS * 1_000).toISOString();
    publish({ id: `e${number}`, time: stated, version: String(number + aheadS), ...event });
  };
  const store = (path: string): void => {
    const bytes = Buffer.from(`${path} ${number} ${'x'.repeat(chance.below(chance.is(0.1) ? 100_000 : 40))}`);
    const etag = createHash('md5').update(bytes).digest('hex');
    objects.set(path, { bytes, etag, permissions: objects.get(path)?.permissions ?? null, modifiedAt: now() });
    tell({ type: 'create', path, size: bytes.length, etag });
  };
  const beneath = (folder: string): string[] => [...objects.keys()].filter((path) => path.startsWith(folder));
  const fits = (path: string, except = ''): boolean =>
    ![...objects.keys()].some((other) => !(except && other.startsWith(except)) && inTheWay(other, path));

  const changes: (() => void)[] = [
    () => {
      const path = chance.pick(files);
      if (fits(path)) store(path);
    },
    () => {
      const path = chance.pick([...objects.keys(), 'a']);
      if (fits(path)) store(path);
    },
    () => {
      const path = chance.pick([...objects.keys(), 'never']);
      objects.delete(path);
      tell({ type: 'delete', path });
    },
    () => {
      const path = chance.pick([...objects.keys(), 'never']);
      const to = chance.pick(files);
      const held = objects.get(path);
      if (!held || path === to || !fits(to, path)) return;
      objects.delete(path);
      objects.set(to, held);
      tell({ type: chance.is(0.5) ? 'rename' : 'move', path, to });
    },
    () => {
      const path = chance.pick([...objects.keys(), 'never']);
      const held = objects.get(path);
      if (!held) return;
      held.permissions = chance.pick(['0600', '0640', '0755']);
      tell({ type: 'change_permission', path, permissions: held.permissions });
    },
    () => {
      const [path, to] = [chance.pick(folders), chance.pick(folders)];
      if (path.startsWith(to) || to.startsWith(path) || beneath(path).length === 0) return;
      if (beneath(path).some((inside) => !fits(to + inside.slice(path.length), path))) return;
      for (const inside of beneath(path)) {
        objects.set(to + inside.slice(path.length), objects.get(inside) as Held);
        objects.delete(inside);
      }
      tell({ type: 'rename', path, to });
    },
    () => {
      const folder = chance.pick(folders);
      if (beneath(folder).length === 0 || beneath(folder).length > 2) return;
      for (const inside of beneath(folder)) objects.delete(inside);
      tell({ type: 'delete', path: folder });
    },
  ];

  const listed = (key: string, { bytes, etag, modifiedAt }: Held): ListedObject => ({
    key,
    size: bytes.length,
    etag,
    modifiedAt,
  });
  const available = (): void => {
    if (faults.strikes('bucket answers 503', 0.03)) throw new RetryableError('the bucket answered 503');
  };
  const factsOf = (key: string): ObjectFacts | undefined => {
    const held = objects.get(key);
    return (
      held && {
        ...listed(key, held),
        ...(held.permissions !== null && { permissions: held.permissions }),
        observedAt: now(),
      }
    );
  };

  const port: Bucket = {
    name: 'bucket',
    async *list() {
      const keys = [...objects.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const observedAt = now();
      if (faults.strikes('listing comes back empty', 0.1)) {
        yield { objects: [], observedAt, last: true };
        return;
      }
      for (let at = 0; at === 0 || at < keys.length; at += 4) {
        if (faults.strikes('listing breaks off', 0.08)) throw new RetryableError('the listing broke off');
        const page = keys.slice(at, at + 4).map((key) => listed(key, objects.get(key) as Held));
        yield { objects: page, observedAt, last: at + 4 >= keys.length };
      }
    },
    head: async (key) => factsOf(key),
    aclPermissions: async () => undefined,
    get: async (key, options = {}) => {
      await clock.turn(`get ${key}`);
      available();
      const waiting = locked.get(key) ?? 0;
      if (waiting > 0 || (objects.has(key) && faults.strikes('object cannot be read for a while', 0.02))) {
        locked.set(key, waiting > 0 ? waiting - 1 : 2);
        throw new UnreadableError(`${key} is archived`);
      }
      const held = objects.get(key);
      if (!held || (options.ifMatch !== undefined && held.etag !== options.ifMatch))
        throw new SupersededError(`${key} has changed`);
      const { bytes } = held;
      const breaks = faults.strikes('download breaks off', 0.03);
      const changed = !breaks && faults.strikes('object changes while it is read', 0.03);
      if (changed) store(key);
      const body = Readable.from(
        (async function* () {
          const half = bytes.length >> 1;
          if (half > 0) yield bytes.subarray(0, half);
          await clock.turn(`read ${key}`);
          if (breaks) throw new RetryableError('the download broke off');
          if (changed) throw new SupersededError(`${key} changed while it was read`);
          yield bytes.subarray(half);
        })(),
        { objectMode: false },
      );
      return { facts: { ...listed(key, held), observedAt: now() }, body, verification: 'md5' };
    },
    identify: async () => {
      available();
      return {
        identity: { endpoint: 'http://simulated', name: 'bucket' },
        observedAt: new Date(Date.now() + clockOffMs).toISOString(),
      };
    },
    check: async () => undefined,
  };

  return {
    port,
    objects,
    /** One change by the producer. */
    change: (): void => {
      time += 2_000;
      chance.pick(changes)();
      time += 2_000;
    },
    setClockOff: (ms: number): void => {
      clockOffMs = ms;
    },
    /** Nothing is archived any more. */
    unlock: (): void => locked.clear(),
  };
};

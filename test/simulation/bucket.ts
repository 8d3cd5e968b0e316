import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Bucket, ListedObject, ObjectFacts } from '../../src/bucket/bucket.ts';
import { UnreadableError } from '../../src/bucket/errors.ts';
import { RetryableError, SupersededError } from '../../src/errors.ts';
import type { Chance, Faults } from './chance.ts';
import type { VirtualClock } from './clock.ts';
import { createProducer, type Published } from './producer.ts';
import type { Setting } from './setting.ts';

type Held = { bytes: Buffer; etag: string; permissions: string | null; modifiedAt: string; isUntold: boolean };

const files = ['a', 'b', 'c.txt', 'd/x', 'd/y', 'd/e/z', 'f/x', 'f/g/h', 'k', 'ü/ß', '\u{1f600}'];
const folders = ['d/', 'd/e/', 'f/', 'f/g/', 'n/'];
const inTheWay = (a: string, b: string): boolean => a.startsWith(`${b}/`) || b.startsWith(`${a}/`);

/**
 * The customer's bucket in memory, and the producer that changes it. Its clock moves two seconds with each change, so that
 * a listing's whole seconds tell what came before it.
 */
export const createSimulatedBucket = (
  chance: Chance,
  faults: Faults,
  clock: VirtualClock,
  skew: Chance,
  publish: (message: Published) => void,
  { form, keepsPermissions, untold, inOrder }: Setting,
  asking: Chance,
) => {
  const objects = new Map<string, Held>();
  let time = Date.UTC(2030, 0, 1);
  let clockOffMs = 0;
  const locked = new Map<string, number>();
  const now = (): string => new Date(time).toISOString();

  const factOf = (path: string) => {
    const held = objects.get(path);
    return held && { size: held.bytes.length, etag: held.etag };
  };
  const { tell, told } = createProducer(form, faults, skew, () => time, factOf, publish);
  const store = (path: string): void => {
    const bytes = Buffer.from(`${path} ${told()} ${'x'.repeat(chance.below(chance.is(0.1) ? 100_000 : 40))}`);
    const etag = createHash('md5').update(bytes).digest('hex');
    const permissions = objects.get(path)?.permissions ?? null;
    const isUntold = untold > 0 && !objects.has(path) && asking.is(untold);
    objects.set(path, { bytes, etag, permissions, modifiedAt: now(), isUntold });
    if (!isUntold) tell({ type: 'create', path, size: bytes.length, etag });
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
      objects.set(to, { ...held, isUntold: false });
      tell({ type: chance.is(0.5) ? 'rename' : 'move', path, to });
    },
    () => {
      const path = chance.pick([...objects.keys(), 'never']);
      const held = objects.get(path);
      // What nobody told of is nowhere yet that could have permissions.
      if (!held || held.isUntold) return;
      held.permissions = chance.pick(['0600', '0640', '0755']);
      tell({ type: 'change_permission', path, permissions: held.permissions });
    },
    () => {
      const [path, to] = [chance.pick(folders), chance.pick(folders)];
      if (path.startsWith(to) || to.startsWith(path) || beneath(path).length === 0) return;
      if (beneath(path).some((inside) => !fits(to + inside.slice(path.length), path))) return;
      const files = beneath(path).map((inside) => ({ path: inside, to: to + inside.slice(path.length) }));
      const going = files.map((file) => ({ ...file, held: objects.get(file.path) as Held }));
      // What is known of a folder is taken for all of it.
      const staysUntold = going.some(({ held }) => !held.isUntold);
      for (const { path: inside, to: place, held } of going) {
        objects.set(place, { ...held, isUntold: held.isUntold && staysUntold });
        objects.delete(inside);
      }
      tell({ type: 'rename', path, to, files });
    },
    () => {
      const folder = chance.pick(folders);
      if (beneath(folder).length === 0 || beneath(folder).length > 2) return;
      const files = beneath(folder).map((inside) => ({ path: inside }));
      for (const { path } of files) objects.delete(path);
      tell({ type: 'delete', path: folder, files });
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
    const permissions = (keepsPermissions && held?.permissions) || undefined;
    return held && { ...listed(key, held), ...(permissions && { permissions }), observedAt: now() };
  };
  async function* pages(prefix: string, beforePage: () => Promise<void> | void) {
    const keys = beneath(prefix).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const observedAt = now();
    for (let at = 0; at === 0 || at < keys.length; at += 4) {
      await beforePage();
      const page = keys.slice(at, at + 4).flatMap((key) => {
        const held = objects.get(key);
        return held ? [listed(key, held)] : [];
      });
      yield { objects: page, observedAt, last: at + 4 >= keys.length };
    }
  }

  const port: Bucket = {
    name: 'bucket',
    list: async function* ({ prefix = '' } = {}) {
      if (faults.strikes('listing comes back empty', 0.1)) yield { objects: [], observedAt: now(), last: true };
      else
        yield* pages(prefix, () => {
          if (faults.strikes('listing breaks off', 0.08)) throw new RetryableError('the listing broke off');
        });
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
      const { permissions, ...stated } = factsOf(key) as ObjectFacts;
      // A native producer states what it means.
      const facts = { ...stated, ...(form !== 'native' && permissions && { permissions }) };
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
      return { facts, body, verification: 'md5' };
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

  /** One change by the producer. */
  const change = (): void => {
    time += 2_000;
    chance.pick(changes)();
    time += 2_000;
  };
  const fails = async (what: string): Promise<void> => {
    await clock.turn(what);
    if (!inOrder && faults.strikes('bucket fails to answer a question', 0.05, asking)) throw new RetryableError('500');
  };
  /** The bucket as the intake asks it: other things happen meanwhile. */
  const questioned: Bucket = {
    ...port,
    head: async (key) => {
      await fails(`head ${key}`);
      if (faults.strikes('bucket changes before it answers a question', 0.05, asking)) change();
      const facts = factsOf(key);
      if (faults.strikes('bucket changes before its answer arrives', 0.05, asking)) change();
      await clock.turn(`headed ${key}`);
      return facts;
    },
    list: ({ prefix = '' } = {}) => pages(prefix, () => fails(`list ${prefix}`)),
  };

  return {
    port,
    questioned,
    objects,
    change,
    setClockOff: (ms: number): void => {
      clockOffMs = ms;
    },
    /** Nothing is archived any more. */
    unlock: (): void => locked.clear(),
  };
};

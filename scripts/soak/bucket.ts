import { createHash } from 'node:crypto';
import type { BucketWriter } from '../../src/bucket/s3.ts';
import type { Counts, Random } from './random.ts';

/** What the bucket holds, as the one who changes it knows: what all sides must hold at the end. */
export type Held = { readonly body: Buffer; readonly permissions?: string };
export type NativeEvent = Readonly<Record<string, string | number>> & { readonly id: string };

const filesMin = 120;
const filesMax = 500;
const modes = ['0644', '0600', '0755', '0640'];
const ornaments = ['', ' with space', '+plus', '%25', 'é', '日本', "'quoted'", '&', '#1'];
/** How often each kind of change is made beside the others. */
const changes = {
  create: 6,
  'create large': 0.3,
  replace: 4,
  delete: 3,
  rename: 3,
  move: 3,
  'rename over': 1,
  swap: 1,
  chmod: 2,
  'chmod folder': 0.3,
  'rename folder': 0.5,
  'delete folder': 0.3,
} as const;

export const md5Of = (body: Buffer): string => createHash('md5').update(body).digest('hex');
const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1);
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Changes a bucket at random, and tells each change as a native event. */
export const createBucketChanges = (options: {
  readonly writer: BucketWriter;
  readonly random: Random;
  readonly counts: Counts;
  readonly publish: (event: NativeEvent) => void;
}) => {
  const { writer, random, counts, publish } = options;
  const held = new Map<string, Held>();
  let number = 0;

  const tell = (type: string, path: string, fields: Readonly<Record<string, string | number>> = {}): void => {
    number += 1;
    publish({ id: `soak-${number}`, type, time: new Date().toISOString(), version: number, path, ...fields });
  };
  const freshName = (): string => {
    number += 1;
    return `file ${number}${random.pick(ornaments)}.bin`;
  };
  const freshFolder = (): string => `d${random.below(12)}/${random.chance(0.5) ? `e${random.below(3)}/` : ''}`;
  const bytes = (most: number): Buffer => {
    const body = Buffer.alloc(random.below(most + 1));
    for (let at = 0; at + 4 <= body.length; at += 997) body.writeUInt32LE(random.below(2 ** 32), at);
    return body;
  };
  const anyPath = (): string => random.pick([...held.keys()]);
  const beneath = (folder: string): string[] => [...held.keys()].filter((path) => path.startsWith(folder));

  const store = async (path: string, body: Buffer): Promise<void> => {
    await writer.put(path, body);
    const permissions = held.get(path)?.permissions;
    held.set(path, { body, ...(permissions !== undefined && { permissions }) });
  };
  const write = async (path: string, body: Buffer): Promise<void> => {
    await store(path, body);
    tell('create', path, { size: body.length, etag: md5Of(body) });
  };
  /** As S3 knows it: a copy, and a delete. */
  const carry = async (from: string, to: string): Promise<void> => {
    const file = held.get(from) as Held;
    await writer.put(to, file.body);
    await writer.delete(from);
    held.delete(from);
    held.set(to, file);
  };
  const relocate = async (type: 'rename' | 'move', from: string, to: string): Promise<void> => {
    await carry(from, to);
    tell(type, from, { to });
  };
  const remove = async (path: string): Promise<void> => {
    await writer.delete(path);
    held.delete(path);
  };
  const chmod = (path: string, permissions: string): void => {
    held.set(path, { ...(held.get(path) as Held), permissions });
  };

  const make: Readonly<Record<keyof typeof changes, () => Promise<void>>> = {
    create: () => write(freshFolder() + freshName(), bytes(20_000)),
    'create large': () => write(freshFolder() + freshName(), bytes(3_000_000)),
    replace: () => write(anyPath(), bytes(20_000)),
    delete: async () => {
      const path = anyPath();
      await remove(path);
      tell('delete', path);
    },
    rename: () => {
      const from = anyPath();
      return relocate('rename', from, folderOf(from) + freshName());
    },
    move: async () => {
      const from = anyPath();
      const to = freshFolder() + nameOf(from);
      if (to !== from) await relocate('move', from, to);
    },
    'rename over': async () => {
      const [from, to] = [anyPath(), anyPath()];
      if (from !== to) await relocate('move', from, to);
    },
    swap: async () => {
      const [one, other] = [anyPath(), anyPath()];
      if (one === other) return;
      const aside = folderOf(one) + freshName();
      await relocate('move', one, aside);
      await relocate('move', other, one);
      await relocate('move', aside, other);
    },
    chmod: async () => {
      const path = anyPath();
      const permissions = random.pick(modes);
      chmod(path, permissions);
      tell('change_permission', path, { permissions });
    },
    'chmod folder': async () => {
      const folder = folderOf(anyPath());
      const permissions = random.pick(modes);
      for (const path of beneath(folder)) chmod(path, permissions);
      tell('change_permission', folder, { permissions });
    },
    'rename folder': async () => {
      const folder = folderOf(anyPath());
      number += 1;
      const to = `renamed ${number}/`;
      for (const path of beneath(folder)) await carry(path, to + path.slice(folder.length));
      tell('rename', folder, { to });
    },
    'delete folder': async () => {
      const folder = folderOf(anyPath());
      for (const path of beneath(folder)) await remove(path);
      tell('delete', folder);
    },
  };

  return {
    held: held as ReadonlyMap<string, Held>,
    /** Fills the bucket before anybody is told of it. */
    fill: async (files: number): Promise<void> => {
      while (held.size < files) await store(freshFolder() + freshName(), bytes(20_000));
    },
    /** Makes one change; the bucket keeps between about 120 and 500 files. */
    change: async (): Promise<void> => {
      const kind =
        held.size < filesMin
          ? 'create'
          : held.size > filesMax
            ? random.pick(['delete', 'delete folder'] as const)
            : random.weighted(changes);
      counts.add(kind);
      await make[kind]();
    },
  };
};

export type BucketChanges = ReturnType<typeof createBucketChanges>;

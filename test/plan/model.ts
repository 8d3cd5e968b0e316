import type { FileRow } from '../../projections/rows.ts';
import type { Change, Operation, Plan, Step } from '../../src/plan/operation.ts';

/** A strict file manager in memory: paths to contents, with a disk's own rules. */
export type Disk = Map<string, { content: string; permissions: string | null }>;

export const contentOf = (row: FileRow): string => `${row.size}:${row.etag}`;

export const diskOf = (rows: readonly FileRow[]): Disk =>
  new Map(rows.map((row) => [row.path, { content: contentOf(row), permissions: row.permissions }]));

const assertRoom = (disk: Disk, path: string): void => {
  for (const other of disk.keys()) {
    if (other.startsWith(`${path}/`)) throw new Error(`cannot put the file ${path} where the folder of ${other} is`);
    if (path.startsWith(`${other}/`)) throw new Error(`cannot put ${path} beneath the file ${other}`);
  }
};

const carry = (disk: Disk, operation: Operation): void => {
  const to = operation.to as string;
  const folder = operation.path.endsWith('/');
  const rows = [...disk].filter(([path]) => path === operation.path || (folder && path.startsWith(operation.path)));
  if (rows.length === 0) throw new Error(`${operation.kind} of ${operation.path}, which is not there`);
  for (const [path] of rows) disk.delete(path);
  for (const [path, file] of rows) {
    const target = to + path.slice(operation.path.length);
    assertRoom(disk, target);
    disk.set(target, file);
  }
};

/** Carries out one step as a disk would; throws where a disk would refuse. */
export const carryOut = (disk: Disk, { operation, result }: Step): void => {
  if (operation.kind === 'save') {
    assertRoom(disk, operation.path);
    disk.set(operation.path, { content: contentOf(result as FileRow), permissions: (result as FileRow).permissions });
  } else if (operation.kind === 'delete') {
    for (const path of disk.keys()) {
      if (path === operation.path || (operation.path.endsWith('/') && path.startsWith(operation.path)))
        disk.delete(path);
    }
  } else if (operation.kind === 'update_permissions') {
    const file = disk.get(operation.path);
    if (!file) throw new Error(`permissions of ${operation.path}, which is not there`);
    disk.set(operation.path, { ...file, permissions: operation.permissions ?? null });
  } else carry(disk, operation);
};

/** The changes between two tables. */
export const changesBetween = (have: readonly FileRow[], want: readonly FileRow[]): Change[] => {
  const before = new Map(have.map((row) => [row.path, row]));
  const after = new Map(want.map((row) => [row.path, row]));
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((path): Change[] => {
    const a = before.get(path) ?? null;
    const b = after.get(path) ?? null;
    const same = a && b && a.file_id === b.file_id && contentOf(a) === contentOf(b) && a.permissions === b.permissions;
    return same ? [] : [{ path, have: a, want: b } as Change];
  });
};

/** The plan's steps in some order that respects `after`. */
export const admissibleOrder = (plan: Plan, random: () => number): Step[] => {
  const done = new Set<number>();
  const order: Step[] = [];
  while (order.length < plan.steps.length) {
    const ready = plan.steps.flatMap((step, index) =>
      !done.has(index) && step.after.every((at) => done.has(at)) ? [index] : [],
    );
    if (ready.length === 0) throw new Error('no step is ready: the plan waits for itself');
    const index = ready[Math.floor(random() * ready.length)] as number;
    done.add(index);
    order.push(plan.steps[index] as Step);
  }
  return order;
};

/** A small seeded generator (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
};

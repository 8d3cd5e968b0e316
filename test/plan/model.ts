import { type FileRow, sameContent, samePermissions } from '../../projections/rows.ts';
import type { Change, Operation, Plan, Step } from '../../src/plan/operation.ts';

/**
 * A strict file manager in memory, with a disk's own rules and the HTTP contract's: it throws where a disk would refuse,
 * and where content would be lost that nobody said may go.
 */
export type Disk = {
  readonly files: Map<string, { content: string; permissions: string | null; name: string }>;
  /** Folders that were saved as such, with permissions of their own. */
  readonly folders: Map<string, string | null>;
  /** Whether names that differ only by case are the same name. */
  readonly ignoresCase: boolean;
};

export const contentOf = (row: FileRow): string => `${row.size}:${row.etag ?? row.modified_at}`;

const isFolder = (path: string): boolean => path.endsWith('/');

const keyOf = (disk: Disk, path: string): string => (disk.ignoresCase ? path.toLowerCase() : path);

export const diskOf = (rows: readonly FileRow[], ignoresCase = false): Disk => {
  const disk: Disk = { files: new Map(), folders: new Map(), ignoresCase };
  for (const row of rows) {
    if (isFolder(row.path)) disk.folders.set(keyOf(disk, row.path), row.permissions);
    else
      disk.files.set(keyOf(disk, row.path), {
        content: contentOf(row),
        permissions: row.permissions,
        name: row.path,
      });
  }
  return disk;
};

/** What a disk holds, as text that can be compared: a path, its content, its permissions. */
export const listingOf = (disk: Disk): string[] =>
  [
    ...[...disk.files.values()].map(({ name, content, permissions }) => `${name} ${content} ${permissions}`),
    ...[...disk.folders].map(([folder, permissions]) => `${folder} folder ${permissions}`),
  ].sort();

const assertRoom = (disk: Disk, path: string): void => {
  const bare = isFolder(path) ? path.slice(0, -1) : path;
  if (isFolder(path) ? disk.files.has(bare) : disk.folders.has(`${bare}/`))
    throw new Error(`${path}: a ${isFolder(path) ? 'file' : 'folder'} is in the way`);
  for (let slash = bare.indexOf('/'); slash !== -1; slash = bare.indexOf('/', slash + 1))
    if (disk.files.has(bare.slice(0, slash))) throw new Error(`${path}: its folder is a file`);
  if (isFolder(path)) return;
  for (const other of [...disk.files.keys(), ...disk.folders.keys()])
    if (other.startsWith(`${bare}/`)) throw new Error(`${path}: it is the folder of ${other}`);
};

const relocateFolder = (disk: Disk, path: string, to: string): void => {
  const files = [...disk.files].filter(([name]) => name.startsWith(path));
  const folders = [...disk.folders].filter(([name]) => name.startsWith(path));
  if (files.length + folders.length === 0) throw new Error(`${path} is not there`);
  if (path.startsWith(to) || to.startsWith(path)) throw new Error(`${path} and ${to} lie within each other`);
  const occupied = [...disk.files.keys(), ...disk.folders.keys()].find((name) => name.startsWith(to));
  if (occupied !== undefined) throw new Error(`${path} would replace ${to} with ${occupied} in it`);
  assertRoom(disk, to);
  for (const [name, file] of files) {
    disk.files.delete(name);
    disk.files.set(to + name.slice(path.length), { ...file, name: to + name.slice(path.length) });
  }
  for (const [name, permissions] of folders) {
    disk.folders.delete(name);
    disk.folders.set(to + name.slice(path.length), permissions);
  }
};

const relocateFile = (disk: Disk, path: string, to: string, name: string): void => {
  const file = disk.files.get(path);
  if (!file) throw new Error(`${path} is not there`);
  if (path === to) throw new Error(`${path} and ${name} are the same name here`);
  disk.files.delete(path);
  assertRoom(disk, to);
  // A rename onto a file keeps that file's name where the disk takes the two for one.
  disk.files.set(to, { ...file, name: disk.files.get(to)?.name ?? name });
};

/** Carries out one step as a disk would. */
export const carryOut = (disk: Disk, { operation, result }: Step): void => {
  const path = keyOf(disk, operation.path);
  const { kind, permissions } = operation;
  if (kind === 'save' && isFolder(path)) {
    assertRoom(disk, path);
    disk.folders.set(path, permissions ?? disk.folders.get(path) ?? null);
  } else if (kind === 'save') {
    assertRoom(disk, path);
    const before = disk.files.get(path);
    const row = result as FileRow;
    disk.files.set(path, {
      content: contentOf(row),
      permissions: permissions ?? before?.permissions ?? null,
      name: before?.name ?? operation.path,
    });
  } else if (kind === 'delete') {
    disk.files.delete(path);
    disk.folders.delete(path);
    if (operation.recursive) {
      for (const name of disk.files.keys()) if (name.startsWith(path)) disk.files.delete(name);
      for (const name of disk.folders.keys()) if (name.startsWith(path)) disk.folders.delete(name);
    }
  } else if (kind === 'update_permissions' && operation.recursive === false) {
    if (!disk.folders.has(path)) throw new Error(`${path} is not there`);
    disk.folders.set(path, permissions as string);
  } else if (kind === 'update_permissions') {
    const touched = [...disk.files].filter(([name]) => name === path || (isFolder(path) && name.startsWith(path)));
    if (touched.length === 0 && !disk.folders.has(path)) throw new Error(`${path} is not there`);
    for (const [name, file] of touched) disk.files.set(name, { ...file, permissions: permissions as string });
    for (const name of disk.folders.keys()) if (name.startsWith(path)) disk.folders.set(name, permissions as string);
  } else {
    const to = keyOf(disk, operation.to as string);
    const sameFolder = parentOf(operation.path) === parentOf(operation.to as string);
    if ((kind === 'rename') !== sameFolder) throw new Error(`${kind} of ${operation.path} to ${operation.to}`);
    if (isFolder(path)) relocateFolder(disk, path, to);
    else relocateFile(disk, path, to, operation.to as string);
  }
};

const parentOf = (path: string): string => path.replace(/[^/]*\/?$/, '');

/** The mirror after an outcome, as its projection folds it. */
export const foldOutcome = (
  mirror: ReadonlyMap<string, FileRow>,
  operation: Operation,
  result: FileRow | null,
): Map<string, FileRow> => {
  const rows = new Map(mirror);
  const { kind, path, to } = operation;
  const offset = result?.offset ?? 0;
  const before = rows.get(path);
  const alone = kind === 'delete' ? operation.recursive !== true : operation.recursive === false;
  const whole = isFolder(path) && kind !== 'save' && !alone;
  if (whole) {
    for (const row of mirror.values()) {
      if (!row.path.startsWith(path)) continue;
      rows.delete(row.path);
    }
    for (const row of mirror.values()) {
      if (!row.path.startsWith(path) || kind === 'delete') continue;
      const moved = kind === 'update_permissions' ? row.path : to + row.path.slice(path.length);
      const permissions = operation.permissions ?? row.permissions;
      rows.set(moved, { ...row, path: moved, permissions, offset });
    }
  } else if (kind === 'save') {
    const row = result as FileRow;
    rows.set(path, { ...row, permissions: row.permissions ?? before?.permissions ?? null });
  } else if (kind === 'delete') rows.delete(path);
  else if (before && kind === 'update_permissions')
    rows.set(path, { ...before, permissions: operation.permissions as string, offset });
  else if (before) {
    rows.delete(path);
    rows.set(to as string, { ...before, path: to as string, file_id: operation.file_id, offset });
  }
  return rows;
};

/** The changes between two tables: what a diff of the two snapshots' rows yields. */
export const changesBetween = (have: readonly FileRow[], want: readonly FileRow[]): Change[] => {
  const before = new Map(have.map((row) => [row.path, row]));
  const after = new Map(want.map((row) => [row.path, row]));
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((path): Change[] => {
    const a = before.get(path) ?? null;
    const b = after.get(path) ?? null;
    if (a && b && sameContent(a, b) && samePermissions(a, b)) return [];
    return [{ path, have: a, want: b } as Change];
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

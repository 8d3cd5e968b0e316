import type { FileRow } from '../../projections/rows.ts';
import type { PlanOptions } from '../../src/plan/plan.ts';

export const row = (
  path: string,
  file_id: number,
  etag: string | null = `e${file_id}`,
  offset = file_id,
  permissions: string | null = '0644',
): FileRow => ({
  path,
  file_id,
  key: null,
  size: path.endsWith('/') ? 0 : 1,
  etag,
  permissions,
  modified_at: '2026-01-01T00:00:00Z',
  offset,
});

/** What the planner is told of a file manager and of the mirror. */
export const facts = (have: readonly FileRow[], capabilities: readonly string[]): PlanOptions => ({
  capabilities,
  filesUnder: (folder) => have.filter(({ path }) => path.startsWith(folder)).length,
});

const inTheWay = (a: string, b: string): boolean =>
  a !== b && (b.startsWith(`${a.replace(/\/$/, '')}/`) ? !a.endsWith('/') : a.startsWith(`${b}/`) && !b.endsWith('/'));

/** Every table over a few paths that a disk can hold, each file one of a few identities. */
export const tables = (paths: readonly string[], identities: number): FileRow[][] => {
  const all: FileRow[][] = [];
  const extend = (at: number, rows: FileRow[]): void => {
    if (at === paths.length) {
      all.push(rows);
      return;
    }
    const path = paths[at] as string;
    extend(at + 1, rows);
    if (rows.some((other) => inTheWay(other.path, path))) return;
    for (let id = 1; id <= identities; id++) {
      if (!rows.some((other) => other.file_id === id)) extend(at + 1, [...rows, row(path, id)]);
    }
  };
  extend(0, []);
  return all;
};

/** `nested`: a file may stand beside a folder of its name, as in a bucket. */
type Chances = { readonly caseless?: boolean; readonly nested?: boolean };

/** A table over some of the paths: file identities and folder identities are drawn apart, contents from a few. */
export const drawTable = (
  random: () => number,
  paths: readonly string[],
  offset: number,
  { caseless = false, nested = false }: Chances = {},
): FileRow[] => {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const rows: FileRow[] = [];
  const ids = new Set<number>();
  const share = random();
  for (const path of [...paths].sort(() => random() - 0.5)) {
    if (random() > share || (!nested && rows.some((other) => inTheWay(other.path, path)))) continue;
    const name = path.toLowerCase();
    if (caseless && rows.some((other) => other.path.toLowerCase() === name || inTheWay(other.path.toLowerCase(), name)))
      continue;
    const id = (path.endsWith('/') ? 100 : 0) + Math.floor(random() * 12) + 1;
    if (ids.has(id)) continue;
    ids.add(id);
    const etag = path.endsWith('/') ? null : pick([`e${id}`, `e${id}`, `e${id}`, 'f', 'g', null]);
    const drawn = row(path, id, etag, offset + id, pick(['0644', '0644', '0600', null]));
    rows.push({ ...drawn, key: drawn.offset % 5 === 0 ? `key-${id}` : null });
  }
  return rows;
};

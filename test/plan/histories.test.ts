import test from 'ava';
import type { FileRow } from '../../projections/rows.ts';
import { randomOf } from '../support/seed.ts';
import { planHolds } from './check.ts';
import { row } from './tables.ts';

type Table = Map<string, FileRow>;

/** What a person does to a tree between two cycles. `undefined` when it makes no sense here; then nothing is done. */
const deeds = (random: () => number, table: Table, nextId: () => number): void => {
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
  const paths = [...table.keys()];
  const folders = [
    ...new Set(
      paths.flatMap((path) =>
        path
          .split('/')
          .slice(0, -1)
          .map((_, at, names) => `${names.slice(0, at + 1).join('/')}/`),
      ),
    ),
  ];
  const beneath = (folder: string): string[] => [...table.keys()].filter((path) => path.startsWith(folder));
  const nothingAt = (path: string): boolean => {
    const bare = path.replace(/\/$/, '');
    const around = bare.split('/').map((_, at, names) => names.slice(0, at).join('/'));
    return (
      !table.has(bare) && beneath(`${bare}/`).length === 0 && !around.some((name) => name !== '' && table.has(name))
    );
  };
  const put = (file: FileRow, path: string): void => {
    table.set(path, { ...file, path, offset: nextId() });
  };
  const moveTree = (from: string, to: string): void => {
    const rows = beneath(from).map((path) => table.get(path) as FileRow);
    for (const { path } of rows) table.delete(path);
    for (const file of rows) put(file, to + file.path.slice(from.length));
  };
  const place = (): string => `${pick(['', ...folders]) ?? ''}${pick(['p', 'q', 'r', 's', 't'])}`;
  const folder = pick(folders);
  const path = pick(paths.filter((name) => !name.endsWith('/')));
  const target = place();
  const marker = pick(paths.filter((name) => name.endsWith('/')));
  const deed = Math.floor(random() * 11);
  if (deed <= 2 && folder && nothingAt(target) && !`${target}/`.startsWith(folder)) moveTree(folder, `${target}/`);
  else if (deed === 3 && folder) {
    const other = pick(folders.filter((name) => !name.startsWith(folder) && !folder.startsWith(name)));
    if (!other) return;
    moveTree(folder, 'aside//');
    moveTree(other, folder);
    moveTree('aside//', other);
  } else if (deed === 4 && folder && random() < 0.3) for (const name of beneath(folder)) table.delete(name);
  else if (deed === 5 && path && nothingAt(target)) {
    const file = table.get(path) as FileRow;
    table.delete(path);
    put(file, target);
  } else if (deed === 6 && nothingAt(target)) put(row(target, nextId()), target);
  else if (deed === 7 && path) put({ ...(table.get(path) as FileRow), etag: `new${nextId()}` }, path);
  else if (deed === 8 && path)
    put({ ...(table.get(path) as FileRow), permissions: pick(['0600', '0640']) ?? null }, path);
  else if (deed === 9 && marker)
    put({ ...(table.get(marker) as FileRow), permissions: pick(['0700', '0750']) ?? null }, marker);
  else if (deed === 10 && folder)
    for (const name of beneath(folder)) put({ ...(table.get(name) as FileRow), permissions: '0770' }, name);
};

const firstTable = (random: () => number, nextId: () => number): Table => {
  const table: Table = new Map();
  const depths = ['', 'd/', 'e/', 'd/f/', 'd/g/', 'e/f/', 'd/f/h/'];
  for (const folder of depths) {
    if (folder !== '' && random() < 0.3) table.set(folder, row(folder, nextId(), null, 0, null));
    for (let at = 0; at < random() * 6; at++) {
      const path = `${folder}file${at}`;
      table.set(path, row(path, nextId()));
    }
  }
  return table;
};

test('trees after a handful of folder moves, swaps, deletes and changes: the plan carries them over', (t) => {
  let whole = 0;
  for (let seed = 1; seed <= 3_000; seed++) {
    const random = randomOf(seed);
    let id = 0;
    const nextId = (): number => ++id;
    const table = firstTable(random, nextId);
    const have = [...table.values()];
    for (let deed = 0; deed < 1 + random() * 8; deed++) deeds(random, table, nextId);
    const capabilities = [[], ['folders'], ['folders', 'folder-permissions'], ['folders', 'folder-permissions']][
      seed % 4
    ] as string[];
    // A producer that only knows delete and create gives a moved file another identity; its content tells.
    const onlyDeletes = seed % 3 === 0;
    const before = new Set(have.map(({ path }) => path));
    const want = [...table.values()].map((file) =>
      onlyDeletes && !before.has(file.path) ? { ...file, file_id: file.file_id + 10_000 } : file,
    );
    const plan = planHolds(t, have, want, { capabilities, random });
    if (!plan) return t.log(`seed ${seed}`);
    if (capabilities.includes('folder-permissions')) t.deepEqual(plan.unplaceable, [], `seed ${seed}`);
    whole += plan.steps.filter(({ operation }) => operation.path.endsWith('/') && operation.to !== undefined).length;
  }
  t.true(whole > 2_000, `${whole} whole folders moved`);
});

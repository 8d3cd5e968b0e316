import test from 'ava';
import type { FileRow } from '../../projections/rows.ts';
import { openAt, withoutOpen } from '../../src/cycle/unanswered.ts';
import type { Operation, Plan, Step } from '../../src/plan/operation.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { randomOf } from '../support/seed.ts';
import { carryOut, changesBetween, type Disk, diskOf, foldOutcome, listingOf } from './model.ts';
import { drawTable, facts } from './tables.ts';

/** What the service knows and what is there: a disk, the mirror of it, and the offsets at which paths were vacated. */
type World = {
  readonly disk: Disk;
  mirror: ReadonlyMap<string, FileRow>;
  readonly vacated: Map<string, number>;
  head: number;
  /** Confirmed operations: no id may come twice. */
  readonly confirmed: Set<string>;
  /** Steps of which the file manager says nothing, each done already or not. */
  silent: { readonly step: Step; readonly isDone: boolean }[];
};

const worldOf = (files: readonly FileRow[], head: number): World => ({
  disk: diskOf(files),
  mirror: new Map(files.map((file) => [file.path, file])),
  vacated: new Map(),
  head,
  confirmed: new Set(),
  silent: [],
});

/** Takes an operation for confirmed: its outcome is in the log. */
const confirm = (world: World, { operation, result }: Step): void => {
  if (world.confirmed.has(operation.op_id)) throw new Error(`the id of ${JSON.stringify(operation)} came before`);
  world.confirmed.add(operation.op_id);
  world.head += 1;
  const before = world.mirror;
  world.mirror = foldOutcome(before, operation, result);
  for (const path of before.keys()) if (!world.mirror.has(path)) world.vacated.set(path, world.head);
  for (const path of world.mirror.keys()) world.vacated.delete(path);
};

/** Asks again about some of the steps of which nothing was said, and gets an answer. */
const finish = (world: World, random: () => number, share: number): void => {
  const left: World['silent'] = [];
  for (const { step, isDone } of world.silent) {
    if (random() >= share) left.push({ step, isDone });
    else {
      if (!isDone) carryOut(world.disk, step);
      confirm(world, step);
    }
  }
  world.silent = left;
};

/** Carries out a plan in a random admissible order; a step that fails takes its dependents along. */
const apply = (world: World, plan: Plan, random: () => number, failureShare: number, silentShare: number): void => {
  const states = new Map<number, 'done' | 'not'>();
  while (states.size < plan.steps.length) {
    const ready = plan.steps.flatMap(({ after }, at) =>
      !states.has(at) && after.every((on) => states.has(on)) ? [at] : [],
    );
    const at = ready[Math.floor(random() * ready.length)] as number;
    const step = plan.steps[at];
    if (!step) throw new Error('no step is ready: the plan waits for itself');
    if (step.after.some((on) => states.get(on) === 'not') || random() < failureShare) {
      states.set(at, 'not');
      continue;
    }
    if (random() < silentShare) {
      states.set(at, 'not');
      const isDone = random() < 0.5;
      if (isDone) carryOut(world.disk, step);
      world.silent.push({ step, isDone });
      continue;
    }
    states.set(at, 'done');
    carryOut(world.disk, step);
    confirm(world, step);
  }
};

const cycle = (
  world: World,
  want: readonly FileRow[],
  capabilities: readonly string[],
  random: () => number,
  failureShare = 0,
  silentShare = 0,
): Plan => {
  const have = [...world.mirror.values()];
  const paths = world.silent.flatMap(({ step: { operation } }) => [operation.path, operation.to ?? operation.path]);
  const open = openAt(paths);
  const known = facts(have, capabilities);
  const plan = planChanges(withoutOpen(changesBetween(have, want), open, new Set()), {
    ...known,
    filesUnder: (folder) => (open.isIn(folder) ? Number.POSITIVE_INFINITY : (known.filesUnder?.(folder) ?? 0)),
    vacatedAt: (path) => world.vacated.get(path) ?? 0,
  });
  apply(world, plan, random, failureShare, silentShare);
  return plan;
};

/** What a disk holds, without the permissions. */
const contentsOf = (disk: Disk): string[] => listingOf(disk).map((line) => line.replace(/ \S+$/, ''));

/** The mirror says of content what the disk has, after every step that was confirmed. */
const mirrored = (world: World): boolean => {
  const said = contentsOf(diskOf([...world.mirror.values()]));
  return JSON.stringify(contentsOf(world.disk)) === JSON.stringify(said);
};

const capabilitiesFor = (seed: number): string[] =>
  [[], ['folders'], ['folders', 'folder-permissions']][seed % 3] as string[];

const paths = ['a', 'b', 'c', 'a/', 'a/x', 'd/', 'd/x', 'd/y', 'd/e/x', 'd/e/y', 'f/x', 'f/y', 'f/e/x', 'f/e/y'];

test('whatever part of a plan was carried out, the plans after it end at what the bucket holds', (t) => {
  for (let seed = 1; seed <= 4_000; seed++) {
    const random = randomOf(seed);
    const capabilities = capabilitiesFor(seed);
    const first = drawTable(random, paths, 1_000);
    const world = worldOf(first, 1_000_000);
    const history: string[] = [];
    try {
      // The bucket goes on changing while cycles fail: each state is reached by offsets that are higher than before.
      for (let state = 2; state <= 4; state++) {
        const want = drawTable(random, paths, state * 1_000);
        for (const failureShare of [0.5, 0.3]) {
          const plan = cycle(world, want, capabilities, random, failureShare);
          history.push(
            plan.steps.map(({ operation }) => `${operation.kind} ${operation.path} ${operation.to ?? ''}`).join(', '),
          );
          if (!mirrored(world)) throw new Error('the mirror does not say what the disk has');
        }
        if (random() < 0.5) continue;
        cycle(world, want, capabilities, random);
        const again = cycle(world, want, capabilities, random);
        const held = contentsOf(world.disk);
        t.deepEqual(held, contentsOf(diskOf(want)), `seed ${seed}`);
        // Permissions of a folder alone, where they cannot be set, wait until nothing else is beneath it.
        const isLate = ({ kind, path }: Operation): boolean => kind === 'update_permissions' && path.endsWith('/');
        const isExact = capabilities.includes('folder-permissions');
        const left = again.steps.filter(({ operation }) => isExact || !isLate(operation));
        t.deepEqual(left, [], `seed ${seed}: then there is nothing to do`);
      }
    } catch (error) {
      t.fail(`seed ${seed}: ${String(error)} ${history.join(' | ')}`);
      return;
    }
  }
});

test('while nothing is said about some operations, the plans go on around them, and end at what the bucket holds', (t) => {
  let around = 0;
  for (let seed = 1; seed <= 4_000; seed++) {
    const random = randomOf(seed);
    const capabilities = capabilitiesFor(seed);
    const world = worldOf(drawTable(random, paths, 1_000), 1_000_000);
    const history: string[] = [];
    const next = (want: readonly FileRow[], silentShare: number): void => {
      const { steps } = cycle(world, want, capabilities, random, silentShare / 2, silentShare);
      if (world.silent.length > 0) around += steps.length;
      history.push(steps.map(({ operation: { kind, path, to } }) => `${kind} ${path} ${to ?? ''}`).join(', '));
      history.push(`silent: ${world.silent.map(({ step, isDone }) => `${step.operation.path} ${isDone}`).join(', ')}`);
    };
    try {
      for (let state = 2; state <= 4; state++) {
        const want = drawTable(random, paths, state * 1_000);
        for (const silentShare of [0.3, 0.2, 0.1]) {
          finish(world, random, 0.3);
          next(want, silentShare);
        }
        if (random() < 0.5) continue;
        finish(world, random, 1);
        next(want, 0);
        next(want, 0);
        t.deepEqual(contentsOf(world.disk), contentsOf(diskOf(want)), `seed ${seed}`);
      }
    } catch (error) {
      t.fail(`seed ${seed}: ${String(error)} ${history.join(' | ')}`);
      return;
    }
  }
  t.true(around > 10_000, `${around} operations were planned while others were open`);
});

test('files that give way and come back as they were: no operation has an id that came before', (t) => {
  for (let seed = 1; seed <= 1_000; seed++) {
    const random = randomOf(seed);
    const capabilities = capabilitiesFor(seed);
    const all = drawTable(random, paths, 1_000);
    const world = worldOf([], 2_000);
    for (let state = 1; state <= 8; state++) {
      const want = all.filter(() => random() < 0.5);
      t.notThrows(() => cycle(world, want, capabilities, random, 0.2), `seed ${seed}`);
      t.notThrows(() => cycle(world, want, capabilities, random), `seed ${seed}`);
    }
    t.true(mirrored(world), `seed ${seed}`);
  }
});

/** Some of the files are found to be gone from the disk, or of other permissions, or it is not known what they are. */
const drift = (world: World, random: () => number): void => {
  for (const file of world.mirror.values()) {
    if (file.path.endsWith('/') || random() > 0.15) continue;
    world.head += 1;
    const rows = new Map(world.mirror);
    const isGone = random() < 0.3;
    const unknown = random() < 0.5 ? { file_id: 0, size: null, etag: null } : { permissions: '0777' };
    if (!isGone) rows.set(file.path, { ...file, ...unknown, offset: world.head });
    else {
      rows.delete(file.path);
      world.disk.files.delete(file.path);
      world.vacated.set(file.path, world.head);
    }
    world.mirror = rows;
  }
};

test('files that give way and come back where the disk is changed meanwhile: no state of a path comes twice', (t) => {
  for (let seed = 1; seed <= 1_000; seed++) {
    const random = randomOf(seed);
    const capabilities = capabilitiesFor(seed);
    const all = drawTable(random, paths, 1_000);
    const world = worldOf([], 2_000);
    const newest = new Map<string, number>();
    for (let state = 1; state <= 10; state++) {
      const want = all.filter(() => random() < 0.5);
      t.notThrows(() => cycle(world, want, capabilities, random, 0.2), `seed ${seed}`);
      for (const { path, offset } of world.mirror.values()) {
        t.true(offset >= (newest.get(path) ?? 0), `seed ${seed}: ${path} is at ${offset} again`);
        newest.set(path, offset);
      }
      drift(world, random);
    }
  }
});

test('a file that gives way to a folder again and again is another transition each time', (t) => {
  const world = worldOf([], 100);
  const file = drawRow('a', 1, 1);
  const random = randomOf(1);
  for (let round = 0; round < 4; round++) {
    cycle(world, [file], [], random);
    t.deepEqual([...world.disk.files.keys()], ['a']);
    // The bucket still holds `a`; as it cannot be placed beside `a/b`, it is wanted no more.
    cycle(world, [drawRow('a/b', 2 + round, 2 + round)], [], random);
    t.deepEqual([...world.disk.files.keys()], ['a/b']);
  }
});

test('a file that was left under a temporary name goes on to its place', (t) => {
  const rows = ['a', 'b'].map((path, at): FileRow => drawRow(path, at + 1, at + 1));
  const want = [drawRow('b', 1, 10), drawRow('a', 2, 11)];
  const plan = planChanges(changesBetween(rows, want));
  const [aside] = plan.steps;
  let mirror: ReadonlyMap<string, FileRow> = new Map(rows.map((file) => [file.path, file]));
  if (aside) mirror = foldOutcome(mirror, aside.operation, aside.result);
  const next = planChanges(changesBetween([...mirror.values()], want));
  t.deepEqual(
    next.steps.map(({ operation }) => operation),
    plan.steps.slice(1).map(({ operation }) => operation),
  );
});

const drawRow = (path: string, file_id: number, offset: number): FileRow => ({
  path,
  file_id,
  key: null,
  size: 1,
  etag: `e${file_id}`,
  permissions: '0644',
  modified_at: '2026-01-01T00:00:00Z',
  offset,
});

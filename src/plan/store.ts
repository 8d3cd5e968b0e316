import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { editsBetween } from '../edits.ts';
import { codeOf, FatalError, messageOf } from '../errors.ts';
import { publishFile } from '../snapshot/publish.ts';
import type { Plan } from './operation.ts';

/**
 * Plans that were shown or are held, each under its id in a folder of its own. The id is a hash of the plan's operations,
 * so a plan expires by itself once the state that it was made from has moved on. A crash leaves at most a temporary file.
 */
export type StoredPlan = {
  readonly plan: Plan;
  readonly held: readonly string[];
  /** As in the gate's verdict. Absent from what was stored by a version without it. */
  readonly circumstances?: readonly string[];
  /** The rows that it takes away; see release.ts. Absent likewise. */
  readonly losses?: readonly string[];
  readonly stored_at: string;
};

/** A plan's file that holds none, and why: a disk lost part of it, or somebody changed it. */
export type DamagedPlan = { readonly path: string; readonly problem: string };

/** What is kept of a plan. */
export type Kept = Omit<StoredPlan, 'stored_at'>;

const plansKept = 50;
const idLength = 16;
const planFile = /^[0-9a-f]{16}\.json$/;
const temporaryFile = /^[0-9a-f]{16}\.(json|undo|released)\.tmp-\d+$/;

export const storePlan = async (folder: string, kept: Kept): Promise<void> => {
  await mkdir(folder, { recursive: true });
  const { id } = kept.plan;
  const stored: StoredPlan = { ...kept, stored_at: new Date().toISOString() };
  await publishFile(join(folder, `${id}.json`), (append) => append(JSON.stringify(stored)));
  const others = (await readPlans(folder)).plans.filter(({ plan }) => plan.id !== id);
  const names = await namesIn(folder);
  const unreleased = others.filter(({ plan }) => !names.includes(`${plan.id}.released`));
  for (const { plan } of unreleased.slice(0, Math.max(0, others.length + 1 - plansKept)))
    await dropPlan(folder, plan.id);
  for (const name of names.filter((left) => temporaryFile.test(left))) await rm(join(folder, name), { force: true });
};

/** As `storePlan`, but leaves one that is there already, and whole, as it is, with the time since which it is. */
export const storeOnce = async (folder: string, kept: Kept): Promise<void> => {
  if (!isWhole(await readStored(join(folder, `${kept.plan.id}.json`)))) await storePlan(folder, kept);
};

const namesIn = (folder: string): Promise<string[]> =>
  readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });

const isPlan = (value: Partial<StoredPlan> | null, path: string): value is StoredPlan =>
  Array.isArray(value?.plan?.steps) && Array.isArray(value.held) && path.endsWith(`${value.plan.id}.json`);

/** Undefined when the file is gone meanwhile. One that is damaged, or cannot be read, never stands in the others' way. */
const readStored = async (path: string): Promise<StoredPlan | DamagedPlan | undefined> => {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as Partial<StoredPlan> | null;
    return isPlan(value, path) ? value : { path, problem: 'it holds no plan of this id' };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (error instanceof SyntaxError) return { path, problem: `it is no JSON: ${error.message}` };
    return { path, problem: `it cannot be read (${codeOf(error) || messageOf(error)})` };
  }
};

const isWhole = (stored: StoredPlan | DamagedPlan | undefined): stored is StoredPlan =>
  stored !== undefined && 'plan' in stored;

/** Every stored plan, oldest first, and the files that hold none, by name. */
export const readPlans = async (
  folder: string,
): Promise<{ readonly plans: StoredPlan[]; readonly damaged: DamagedPlan[] }> => {
  const plans: StoredPlan[] = [];
  const damaged: DamagedPlan[] = [];
  for (const name of (await namesIn(folder)).filter((entry) => planFile.test(entry)).sort()) {
    const stored = await readStored(join(folder, name));
    if (isWhole(stored)) plans.push(stored);
    else if (stored) damaged.push(stored);
  }
  plans.sort((a, b) => (a.stored_at < b.stored_at ? -1 : a.stored_at > b.stored_at ? 1 : 0));
  return { plans, damaged };
};

/** The plan of an id or of a unique beginning of one, at least four letters. Throws FatalError that says what was meant. */
export const findPlan = async (folder: string, id: string): Promise<StoredPlan> => {
  const ids = (await namesIn(folder)).filter((name) => planFile.test(name)).map((name) => name.slice(0, idLength));
  const found = ids.filter((known) => known.startsWith(id));
  if (id.length < 4)
    throw new FatalError(`a plan is named by at least the first 4 letters of its id, not ${JSON.stringify(id)}`);
  if (found.length > 1)
    throw new FatalError(`${JSON.stringify(id)} is the beginning of several plans: ${found.sort().join(', ')}`);
  const only = found[0];
  if (only === undefined) throw new FatalError(`there is no plan ${JSON.stringify(id)}${hintFor(id, ids)}`);
  const stored = await readStored(join(folder, `${only}.json`));
  if (!isWhole(stored)) throw new FatalError(`the file of plan ${only} is damaged: make it again with 's3-sync plan'`);
  return stored;
};

/** Letters of what was typed that are compared: what is longer is no mistyped id. */
const comparedLength = 64;

const hintFor = (id: string, ids: readonly string[]): string => {
  if (ids.length === 0) return ": none is kept, 's3-sync plan' makes one";
  const likely = ids
    .map((known) => ({
      known,
      distance:
        editsBetween(id.slice(0, comparedLength), known.slice(0, Math.max(4, id.length))) +
        Math.max(0, id.length - comparedLength),
    }))
    .sort((a, b) => a.distance - b.distance || (a.known < b.known ? -1 : 1));
  const nearest = likely[0];
  if (nearest && nearest.distance <= Math.ceil(id.length / 4)) return `: did you mean ${nearest.known}?`;
  return `; kept are ${[...ids].sort().slice(0, 5).join(', ')}${ids.length > 5 ? ` and ${ids.length - 5} more` : ''}`;
};

/**
 * Releases a held plan: a person has named it. The mark holds for what this plan takes away, also where another one does,
 * and goes once that was carried out, or is not planned any more.
 */
export const releasePlan = (folder: string, id: string): Promise<void> =>
  publishFile(join(folder, `${id}.released`), (append) => append(new Date().toISOString()));

/** The plans that a person has named, and that are not over. */
export const releasedPlans = async (folder: string): Promise<StoredPlan[]> => {
  const names = await namesIn(folder);
  const marked = names.filter((name) => planFile.test(name) && names.includes(`${name.slice(0, idLength)}.released`));
  const plans = await Promise.all(marked.map((name) => readStored(join(folder, name))));
  return plans.filter(isWhole);
};

/** Its release goes first: a plan that is made again from the same files has the same id, and would be released by what is left. */
export const dropPlan = async (folder: string, id: string): Promise<void> => {
  for (const end of ['released', 'json']) await rm(join(folder, `${id}.${end}`), { force: true });
};

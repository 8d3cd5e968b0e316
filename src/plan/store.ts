import { type FileHandle, mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { editsBetween } from '../edits.ts';
import { codeOf, FatalError, messageOf } from '../errors.ts';
import { publishFile, publishLines } from '../snapshot/publish.ts';
import type { Plan } from './operation.ts';

/**
 * Plans that were shown or are held, each under its id in a folder of its own. The id is a hash of the plan's operations,
 * so a plan expires by itself once the state that it was made from has moved on. A crash leaves at most a temporary file.
 *
 * The first line of a plan's file is its head, and each other one a row that it takes away. The operations themselves are
 * not in it: whoever carries them out plans them anew. Of many plans the heads alone are read, since a gate that is shut
 * for a week has as many large plans as are kept.
 */
type Head = {
  readonly plan: Pick<Plan, 'id'>;
  readonly held: readonly string[];
  /** As in the gate's verdict. Absent from what was stored by a version without it. */
  readonly circumstances?: readonly string[];
  readonly stored_at: string;
};

export type StoredPlan = Head & {
  /** The rows that it takes away; see release.ts. Absent likewise, or where there are none. */
  readonly losses?: readonly string[];
};

/** A plan's file that holds none, and why: a disk lost part of it, or somebody changed it. */
export type DamagedPlan = { readonly path: string; readonly problem: string };

/** A plan, and what is kept of it. */
export type Kept = Omit<StoredPlan, 'stored_at'> & { readonly plan: Plan };

const plansKept = 50;
const idLength = 16;
const planFile = /^[0-9a-f]{16}\.json$/;
const temporaryFile = /^[0-9a-f]{16}\.(json|undo|released)\.tmp-\d+$/;

type ToStore = Omit<StoredPlan, 'stored_at'>;

export const storePlan = async (folder: string, { plan: { id }, losses = [], ...kept }: ToStore): Promise<void> => {
  await mkdir(folder, { recursive: true });
  const head = { ...kept, plan: { id }, losses: losses.length, stored_at: new Date().toISOString() };
  await publishLines(join(folder, `${id}.json`), [head, ...losses], (line) => JSON.stringify(line));
  const others = (await readPlans(folder)).plans.filter(({ plan }) => plan.id !== id);
  const names = await namesIn(folder);
  const unreleased = others.filter(({ plan }) => !names.includes(`${plan.id}.released`));
  for (const { plan } of unreleased.slice(0, Math.max(0, others.length + 1 - plansKept)))
    await dropPlan(folder, plan.id);
  for (const name of names.filter((left) => temporaryFile.test(left))) await rm(join(folder, name), { force: true });
};

/** As `storePlan`, but leaves one that is there already, and whole, as it is, with the time since which it is. */
export const storeOnce = async (folder: string, kept: ToStore): Promise<void> => {
  if (!isWhole(await readStored(join(folder, `${kept.plan.id}.json`)))) await storePlan(folder, kept);
};

const namesIn = (folder: string): Promise<string[]> =>
  readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });

/** A head as it is read: of a version that kept the operations too, all is in one line, and `losses` are its rows. */
type Read = Head & { readonly losses?: number | readonly string[] };

const isHead = (value: Partial<Read> | null, path: string): value is Read =>
  Array.isArray(value?.held) && path.endsWith(`${value.plan?.id}.json`);

const lineFeed = 0x0a;
const chunkBytes = 64 * 1024;

/** The bytes of a file up to the first line's end. */
const firstLine = async (file: FileHandle): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for (;;) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(chunkBytes));
    const end = buffer.subarray(0, bytesRead).indexOf(lineFeed);
    chunks.push(buffer.subarray(0, end === -1 ? bytesRead : end));
    if (end !== -1 || bytesRead === 0) return Buffer.concat(chunks);
  }
};

const headOf = (line: Buffer, path: string): Read => {
  const value = JSON.parse(line.toString()) as Partial<Read> | null;
  if (isHead(value, path)) return value;
  throw new FatalError('it holds no plan of this id');
};

const lossesIn = (bytes: Buffer, from: number): string[] => {
  const losses: string[] = [];
  for (let at = from; at < bytes.length; ) {
    const found = bytes.indexOf(lineFeed, at);
    const end = found === -1 ? bytes.length : found;
    losses.push(JSON.parse(bytes.toString('utf8', at, end)) as string);
    at = end + 1;
  }
  return losses;
};

/** Undefined when the file is gone meanwhile. One that is damaged, or cannot be read, never stands in the others' way. */
const reading = async <T>(path: string, read: () => Promise<T>): Promise<T | DamagedPlan | undefined> => {
  try {
    return await read();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (error instanceof SyntaxError) return { path, problem: `it is no JSON: ${error.message}` };
    if (error instanceof FatalError) return { path, problem: error.message };
    return { path, problem: `it cannot be read (${codeOf(error) || messageOf(error)})` };
  }
};

const readHead = (path: string): Promise<Head | DamagedPlan | undefined> =>
  reading(path, async () => {
    const file = await open(path);
    try {
      const { plan, held, stored_at } = headOf(await firstLine(file), path);
      return { plan: { id: plan.id }, held, stored_at };
    } finally {
      await file.close();
    }
  });

const readStored = (path: string): Promise<StoredPlan | DamagedPlan | undefined> =>
  reading(path, async () => {
    const bytes = await readFile(path);
    const end = bytes.indexOf(lineFeed);
    const { losses, plan, ...head } = headOf(end === -1 ? bytes : bytes.subarray(0, end), path);
    const stored = { ...head, plan: { id: plan.id } };
    if (typeof losses !== 'number') return { ...stored, ...(losses && { losses }) };
    const rows = lossesIn(bytes, end + 1);
    if (rows.length !== losses) throw new FatalError(`it holds ${rows.length} of ${losses} rows`);
    return { ...stored, losses: rows };
  });

const isWhole = <T extends Head>(stored: T | DamagedPlan | undefined): stored is T =>
  stored !== undefined && 'plan' in stored;

/** The heads of all stored plans, oldest first, and the files that hold none, by name. */
export const readPlans = async (
  folder: string,
): Promise<{ readonly plans: Head[]; readonly damaged: DamagedPlan[] }> => {
  const plans: Head[] = [];
  const damaged: DamagedPlan[] = [];
  for (const name of (await namesIn(folder)).filter((entry) => planFile.test(entry)).sort()) {
    const stored = await readHead(join(folder, name));
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

import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FatalError } from '../errors.ts';
import { publishFile } from '../snapshot/publish.ts';
import type { Plan } from './operation.ts';

/** A plan that was shown or is held. It is released by its id; the id is a hash of its operations, so it expires by itself. */
export type StoredPlan = { readonly plan: Plan; readonly held: readonly string[]; readonly stored_at: string };

const plansKept = 50;

export const storePlan = async (folder: string, plan: Plan, held: readonly string[]): Promise<void> => {
  await mkdir(folder, { recursive: true });
  const stored: StoredPlan = { plan, held, stored_at: new Date().toISOString() };
  await publishFile(join(folder, `${plan.id}.json`), (append) => append(JSON.stringify(stored)));
  const all = await listPlans(folder);
  for (const { plan: old } of all.slice(0, Math.max(0, all.length - plansKept)))
    await rm(join(folder, `${old.id}.json`), { force: true });
};

/** Every stored plan, oldest first. */
export const listPlans = async (folder: string): Promise<StoredPlan[]> => {
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^[0-9a-f]{16}\.json$/.test(name));
  const plans = await Promise.all(
    names.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as StoredPlan),
  );
  return plans.sort((a, b) => (a.stored_at < b.stored_at ? -1 : 1));
};

/** The plan of an id or of a unique beginning of one. Throws FatalError that names the plans there are. */
export const findPlan = async (folder: string, id: string): Promise<StoredPlan> => {
  const plans = await listPlans(folder);
  const found = plans.filter(({ plan }) => plan.id.startsWith(id));
  if (found.length === 1 && id.length >= 4) return found[0] as StoredPlan;
  const known = plans.map(({ plan }) => plan.id).join(', ') || 'none';
  throw new FatalError(
    `there is ${found.length > 1 ? 'more than one' : 'no'} plan ${JSON.stringify(id)}; plans kept: ${known}`,
  );
};

/** Releases a held plan: a person has named it. The mark holds for this plan alone, and goes once it was carried out. */
export const releasePlan = (folder: string, id: string): Promise<void> =>
  publishFile(join(folder, `${id}.released`), (append) => append(new Date().toISOString()));

export const isReleased = async (folder: string, id: string): Promise<boolean> =>
  (await readdir(folder).catch((): string[] => [])).includes(`${id}.released`);

export const dropPlan = async (folder: string, id: string): Promise<void> => {
  for (const end of ['json', 'released']) await rm(join(folder, `${id}.${end}`), { force: true });
};

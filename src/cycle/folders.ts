import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { onDisk } from '../disk-error.ts';
import { cycleName, cyclesIn } from '../report/stored.ts';

const nameAt = (ms: number): string => new Date(ms).toISOString().replace(/[:.]/g, '-');

/** The moment that a cycle's name tells. */
const timeOf = (name: string): number => Date.parse(name.replace(cycleName, '$1:$2:$3.$4'));

/**
 * Makes the folder of a new cycle, named by its time, and resolves with the name. Names sort in the order of the cycles:
 * after a clock was set back, the new one comes right behind the latest.
 */
export const makeCycleFolder = async (cycles: string, nowMs: number): Promise<string> => {
  await onDisk(cycles, () => mkdir(cycles, { recursive: true }));
  const times = (await cyclesIn(cycles)).map(timeOf).filter((time) => !Number.isNaN(time));
  const cycle = nameAt(times.reduce((latest, time) => Math.max(latest, time + 1), nowMs));
  await onDisk(cycles, () => mkdir(join(cycles, cycle), { recursive: true }));
  return cycle;
};

/**
 * Removes what cycles before this one left that a crash or a stop ended before their report, but for the newest: where each
 * start ends so, as for want of memory, nothing else would, and each leaves an export of all that has changed.
 */
export const dropCutOff = async (
  cycles: string,
  cycle: string,
  onLeft: (error: Error) => void = () => undefined,
): Promise<void> => {
  const names = (await cyclesIn(cycles)).filter(
    (name) => name < cycle && !existsSync(join(cycles, name, 'report.json')),
  );
  for (const old of names.slice(0, -1)) await rm(join(cycles, old), { recursive: true, force: true }).catch(onLeft);
};

/** Removes all but the newest cycles. One that cannot be removed is told of, and stands in nobody's way. */
export const keepNewest = async (
  cycles: string,
  kept: number,
  onLeft: (error: Error) => void = () => undefined,
): Promise<void> => {
  const names = await cyclesIn(cycles);
  for (const old of names.slice(0, Math.max(0, names.length - kept)))
    await rm(join(cycles, old), { recursive: true, force: true }).catch(onLeft);
};

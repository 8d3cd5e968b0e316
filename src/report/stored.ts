import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, messageOf } from '../errors.ts';
import type { Report } from './report.ts';

/** A `report.json` that is there and tells nothing, and why: a disk lost part of it, or somebody changed it. */
export type DamagedReport = { readonly path: string; readonly problem: string };

/** Of a report that is read again, what each field must be: those without which nobody can tell how the cycle ended. */
const kinds: { readonly [name in keyof Report]?: readonly string[] } = {
  status: ['string'],
  finished_at: ['string'],
  duration_ms: ['number'],
  plan: ['string', 'null'],
  states: ['object'],
  stopped: ['string', 'null'],
};

const kindOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);

const parsed = (path: string, text: string): Report | DamagedReport => {
  if (text.trim() === '') return { path, problem: 'it is empty' };
  try {
    const value = JSON.parse(text) as Report;
    if (kindOf(value) !== 'object') return { path, problem: 'it holds no object' };
    const wrong = Object.entries(kinds).find(([name, wanted]) => !wanted.includes(kindOf(value[name as keyof Report])));
    return wrong ? { path, problem: `its ${wrong[0]} is missing, or of another kind` } : value;
  } catch (error) {
    return { path, problem: `it is no JSON: ${messageOf(error)}` };
  }
};

/** The report in a cycle's folder; undefined where there is none. */
export const readReport = async (folder: string): Promise<Report | DamagedReport | undefined> => {
  const path = join(folder, 'report.json');
  try {
    return parsed(path, await readFile(path, 'utf8'));
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    return { path, problem: `it cannot be read (${codeOf(error) || messageOf(error)})` };
  }
};

export const isDamaged = (stored: Report | DamagedReport): stored is DamagedReport => !('status' in stored);

/** A cycle's name is its time, with hyphens in place of what not every disk takes in a name. */
export const cycleName = /^(\d{4}-\d\d-\d\dT\d\d)-(\d\d)-(\d\d)-(\d{3}Z)$/;

/** The names of the cycles, the oldest first; what else a person keeps beside them is none. Throws where there is no folder. */
export const cyclesIn = async (cycles: string): Promise<string[]> =>
  (await readdir(cycles)).filter((name) => cycleName.test(name)).sort();

/** What the newest cycles left. */
export type LatestReports = {
  readonly last: Report | null;
  /** The last one that did not fail as a whole: a cycle that failed judged nothing. */
  readonly judged: Report | null;
  /** Those that came after it and tell nothing. */
  readonly damaged: readonly DamagedReport[];
};

export const latestReports = async (cycles: string): Promise<LatestReports> => {
  let last: Report | null = null;
  const damaged: DamagedReport[] = [];
  for (const cycle of (await cyclesIn(cycles).catch((): string[] => [])).reverse()) {
    const stored = await readReport(join(cycles, cycle));
    if (stored === undefined) continue;
    if (isDamaged(stored)) {
      damaged.push(stored);
      continue;
    }
    last ??= stored;
    if (stored.status !== 'failed') return { last, judged: stored, damaged };
  }
  return { last, judged: null, damaged };
};

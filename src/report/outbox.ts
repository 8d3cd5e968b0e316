import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { publishFile } from '../snapshot/publish.ts';
import type { Report } from './report.ts';

/** An endpoint that receives reports by POST. The token, if any, goes to this endpoint alone. */
export type ReportEndpoint = { readonly url: string; readonly token?: string };

/** Reports that wait for one endpoint at most; the oldest give way. */
const waitingMax = 1_000;

export const folderOf = (outbox: string, url: string): string =>
  join(outbox, createHash('sha256').update(url).digest('hex').slice(0, 12));

/** Names of the reports in a folder, oldest first; none when there is no such folder. */
export const reportsIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json')).sort();

export const keepNewest = async (folder: string, kept: number): Promise<void> => {
  const names = await reportsIn(folder);
  for (const name of names.slice(0, Math.max(0, names.length - kept))) await rm(join(folder, name), { force: true });
};

/**
 * Puts a report into the outbox of every endpoint: from here on it is delivered at least once, also after a crash. Each
 * endpoint has a folder of its own, so a dead one holds up none but itself.
 */
export const postReport = async (
  outbox: string,
  endpoints: readonly ReportEndpoint[],
  report: Report,
): Promise<void> => {
  for (const { url } of endpoints) {
    const folder = folderOf(outbox, url);
    await mkdir(folder, { recursive: true });
    await publishFile(join(folder, `${report.cycle}.json`), (append) => append(JSON.stringify(report)));
    await keepNewest(folder, waitingMax);
  }
};

/** Reports that lie in the outbox; those that are unclaimed wait in folders of endpoints that are not configured. */
export type Outbox = {
  readonly waiting: number;
  readonly unclaimed: { readonly reports: number; readonly folders: readonly string[] };
};

/**
 * What an endpoint has refused for good lies deeper, and waits for nothing. A caller that has no endpoint at all does not
 * know the settings of whoever delivers: everything waits then.
 */
export const readOutbox = async (outbox: string, endpoints: readonly ReportEndpoint[]): Promise<Outbox> => {
  const claimed = new Set(endpoints.map(({ url }) => folderOf(outbox, url)));
  const names = await readdir(outbox).catch((): string[] => []);
  const folders = await Promise.all(
    names.sort().map(async (name) => {
      const folder = join(outbox, name);
      return { folder, reports: (await reportsIn(folder)).length };
    }),
  );
  const sum = (some: typeof folders): number => some.reduce((total, { reports }) => total + reports, 0);
  const unclaimed = folders.filter(({ folder, reports }) => reports > 0 && claimed.size > 0 && !claimed.has(folder));
  return {
    waiting: sum(folders) - sum(unclaimed),
    unclaimed: { reports: sum(unclaimed), folders: unclaimed.map(({ folder }) => folder) },
  };
};

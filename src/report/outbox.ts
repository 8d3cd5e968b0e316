import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { failpoint } from '../failpoint.ts';
import { publishFile } from '../snapshot/publish.ts';
import { postJson } from './http.ts';
import type { Report } from './report.ts';

/** An endpoint that receives reports by POST. The token, if any, goes to this endpoint alone. */
export type ReportEndpoint = { readonly url: string; readonly token?: string };

/** Reports that wait for one endpoint at most, and refused ones that are kept to be looked at; the oldest give way. */
const waitingMax = 1_000;
const refusedMax = 100;
const timeoutMs = 10_000;
/** A backlog is delivered over several cycles, so that it never holds one up for long. */
const deliveriesAtOnce = 20;

const folderOf = (outbox: string, url: string): string =>
  join(outbox, createHash('sha256').update(url).digest('hex').slice(0, 12));

/** Names of the reports in a folder, oldest first; none when there is no such folder. */
const reportsIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json')).sort();

const keepNewest = async (folder: string, kept: number): Promise<void> => {
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

export type Delivered = {
  readonly url: string;
  readonly delivered: number;
  readonly waiting: number;
  /** Reports that the endpoint will never take: set aside under `refused`, so that they hold up no later one. */
  readonly refused: number;
  readonly problem?: string;
};

/** Delivers what waits, oldest first. A dead endpoint never fails the sync: its reports wait for the next cycle. */
export const deliverReports = async (
  outbox: string,
  endpoints: readonly ReportEndpoint[],
  options: { readonly timeoutMs?: number } = {},
): Promise<Delivered[]> =>
  Promise.all(endpoints.map((endpoint) => deliverTo(outbox, endpoint, options.timeoutMs ?? timeoutMs)));

const deliverTo = async (outbox: string, { url, token }: ReportEndpoint, timeoutMs: number): Promise<Delivered> => {
  const folder = folderOf(outbox, url);
  const names = await reportsIn(folder);
  let delivered = 0;
  let refused = 0;
  let problem: string | undefined;
  for (const name of names.slice(0, deliveriesAtOnce)) {
    const body = await readFile(join(folder, name));
    failpoint('report.before');
    const posted = await postJson({ url, token, body, idempotencyKey: `report-${name.slice(0, -5)}`, timeoutMs });
    if (posted.state !== 'taken') problem = posted.problem;
    if (posted.state === 'unreachable') break;
    if (posted.state === 'taken') {
      failpoint('report.taken');
      await rm(join(folder, name), { force: true });
      failpoint('report.removed');
      delivered += 1;
    } else {
      await setAside(folder, name);
      refused += 1;
    }
  }
  const waiting = names.length - delivered - refused;
  return { url, delivered, waiting, refused, ...(problem !== undefined && { problem }) };
};

const setAside = async (folder: string, name: string): Promise<void> => {
  const refused = join(folder, 'refused');
  await mkdir(refused, { recursive: true });
  await rename(join(folder, name), join(refused, name));
  await keepNewest(refused, refusedMax);
};

import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { failpoint } from '../failpoint.ts';
import { postJson } from './http.ts';
import { folderOf, keepNewest, type ReportEndpoint, reportsIn } from './outbox.ts';

/** Refused reports that are kept to be looked at; the oldest give way. */
const refusedMax = 100;
const timeoutMs = 10_000;
/** A backlog is delivered over several cycles, so that it never holds one up for long. */
const deliveriesAtOnce = 20;

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

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import ky from 'ky';
import { messageOf } from '../errors.ts';
import { publishFile } from '../snapshot/publish.ts';
import type { Report } from './report.ts';

/** An endpoint that receives reports by POST. The token, if any, goes to this endpoint alone. */
export type ReportEndpoint = { readonly url: string; readonly token?: string };

/** Reports that wait for one endpoint at most; the oldest give way, and the count says so. */
const waitingMax = 1_000;
const timeoutMs = 10_000;
const deliveriesAtOnce = 20;

const folderOf = (outbox: string, url: string): string =>
  join(outbox, createHash('sha256').update(url).digest('hex').slice(0, 12));

/** Puts a report into the outbox of every endpoint: from here on it is delivered at least once. */
export const postReport = async (
  outbox: string,
  endpoints: readonly ReportEndpoint[],
  report: Report,
): Promise<void> => {
  for (const { url } of endpoints) {
    const folder = folderOf(outbox, url);
    await mkdir(folder, { recursive: true });
    await publishFile(join(folder, `${report.cycle}.json`), (append) => append(JSON.stringify(report)));
    const waiting = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
    for (const name of waiting.slice(0, Math.max(0, waiting.length - waitingMax)))
      await rm(join(folder, name), { force: true });
  }
};

export type Delivered = {
  readonly url: string;
  readonly delivered: number;
  readonly waiting: number;
  readonly problem?: string;
};

/** Delivers what waits, oldest first. A dead endpoint never fails the sync: its reports wait for the next cycle. */
export const deliverReports = async (outbox: string, endpoints: readonly ReportEndpoint[]): Promise<Delivered[]> =>
  Promise.all(endpoints.map((endpoint) => deliverTo(outbox, endpoint)));

const deliverTo = async (outbox: string, { url, token }: ReportEndpoint): Promise<Delivered> => {
  const folder = folderOf(outbox, url);
  const waiting = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json')).sort();
  let delivered = 0;
  for (const name of waiting.slice(0, deliveriesAtOnce)) {
    const file = join(folder, name);
    try {
      await ky.post(url, {
        body: await readFile(file),
        headers: {
          'content-type': 'application/json',
          'idempotency-key': `report-${name.slice(0, -5)}`,
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        timeout: timeoutMs,
        retry: 0,
        redirect: 'error',
      });
      await rm(file, { force: true });
      delivered += 1;
    } catch (error) {
      return { url, delivered, waiting: waiting.length - delivered, problem: messageOf(error) };
    }
  }
  return { url, delivered, waiting: waiting.length - delivered };
};

import { applyPlan } from '../../src/apply/apply.ts';
import { createBucket } from '../../src/bucket/s3.ts';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import { peakRssKib } from '../support/peak-rss.ts';
import { planOf, stepOf } from './support.ts';

/** Carries one object over in a process of its own and prints what became of it: arguments S3 URL, URL, length, etag. */
const [endpoint, baseUrl, lengthText, etag] = process.argv.slice(2);
if (endpoint === undefined || baseUrl === undefined || etag === undefined)
  throw new Error('usage: carry-process.ts S3_URL FILE_MANAGER_URL LENGTH ETAG');
const bucket = createBucket({ endpoint, region: 'us-east-1', accessKey: 'a', secretKey: 's', bucket: 'customer' });
const { states, bytes, unverified, failures } = await applyPlan(
  planOf(stepOf('save', 'large', { size: Number(lengthText), etag, permissions: '0644' })),
  { fileManager: createFileManagerClient({ baseUrl }), bucket, concurrency: 4, onOutcomes: async () => undefined },
);
bucket.close();
const peakKibibytes = peakRssKib();
process.stdout.write(JSON.stringify({ done: states.done, bytes, unverified, failures, peakKibibytes }));

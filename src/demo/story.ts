import type { BucketWriter } from '../bucket/s3.ts';

/** What happens in the demo's bucket, and how its producer tells it: a change of every kind. */
export type Change = { readonly text: string; readonly events: readonly Record<string, unknown>[] };

const md5 = async (text: string): Promise<string> =>
  (await import('node:crypto')).createHash('md5').update(text).digest('hex');

/** Makes the changes in the bucket and returns them with the events that a producer sends about them. */
export const changeTheBucket = async (bucket: BucketWriter, files: ReadonlyMap<string, Buffer>): Promise<Change[]> => {
  let number = 0;
  const version = Date.now() * 1000;
  const event = (fields: Record<string, unknown>): Record<string, unknown> => {
    number += 1;
    return { id: `demo-${version + number}`, time: new Date().toISOString(), version: version + number, ...fields };
  };
  const carry = async (from: string, to: string): Promise<void> => {
    await bucket.put(to, files.get(from) as Buffer);
    await bucket.delete(from);
  };
  const text = 'Written after the first sync.\n';
  await bucket.put('notes/new.txt', Buffer.from(text));
  const renewed = 'name,quantity\nbolt,40\nnut,60\n';
  await bucket.put('data/stock.csv', Buffer.from(renewed));
  await carry('docs/readme.txt', 'docs/welcome.txt');
  await carry('docs/plan.md', 'archive/plan.md');
  await carry('photos/2025/summer.svg', 'pictures/2025/summer.svg');
  await carry('photos/2025/winter.svg', 'pictures/2025/winter.svg');
  await bucket.delete('data/old.csv');
  const content = async (path: string, body: string): Promise<Record<string, unknown>> => ({
    type: 'create',
    path,
    size: Buffer.byteLength(body),
    etag: await md5(body),
  });
  return [
    {
      text: 'created  notes/new.txt',
      events: [event({ ...(await content('notes/new.txt', text)), permissions: '0640' })],
    },
    { text: 'changed  data/stock.csv', events: [event(await content('data/stock.csv', renewed))] },
    {
      text: 'renamed  docs/readme.txt -> docs/welcome.txt',
      events: [event({ type: 'rename', path: 'docs/readme.txt', to: 'docs/welcome.txt' })],
    },
    {
      text: 'moved    docs/plan.md -> archive/plan.md',
      events: [event({ type: 'move', path: 'docs/plan.md', to: 'archive/plan.md' })],
    },
    {
      text: 'renamed  photos/ -> pictures/ (a whole folder)',
      events: [event({ type: 'rename', path: 'photos/', to: 'pictures/' })],
    },
    { text: 'deleted  data/old.csv', events: [event({ type: 'delete', path: 'data/old.csv' })] },
    {
      text: 'chmod    scripts/run.sh to 0755',
      events: [event({ type: 'change_permission', path: 'scripts/run.sh', permissions: '0755' })],
    },
  ];
};

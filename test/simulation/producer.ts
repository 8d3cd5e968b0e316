import type { Chance, Faults } from './chance.ts';
import type { Form } from './setting.ts';

/** A message as its producer would publish it. */
export type Published = Readonly<Record<string, unknown>>;

/** One change of the bucket; `files` are those that a change of a whole folder took along, and where to. */
export type Change = {
  readonly type: 'create' | 'delete' | 'rename' | 'move' | 'change_permission';
  readonly path: string;
  readonly to?: string;
  readonly size?: number;
  readonly etag?: string;
  readonly permissions?: string;
  readonly files?: readonly { readonly path: string; readonly to?: string }[];
};

type Fact = { readonly size: number; readonly etag: string } | undefined;

/** Tells of each change of the bucket: by an event of our own, or by a notification of each object that it wrote or removed. */
export const createProducer = (
  form: Form,
  faults: Faults,
  skew: Chance,
  nowMs: () => number,
  factOf: (path: string) => Fact,
  publish: (message: Published) => void,
) => {
  let number = 0;
  /** When it happened by the producer's clock, and the order token that is made from it. */
  const stamp = (): { readonly time: string; readonly token: number } => {
    number += 1;
    const aheadS = faults.strikes("producer's clock hours ahead", 0.01, skew) ? 36_000 : 0;
    return { time: new Date(nowMs() + aheadS * 1_000).toISOString(), token: number + aheadS };
  };
  const notify = (eventName: string, path: string, { size, etag }: Partial<Fact> = {}): void => {
    const { time, token } = stamp();
    const key = form === 's3' || form === 'minio' ? encodeURIComponent(path) : path;
    const content = { ...(size !== undefined && { size }), ...(form !== 'storj' && etag && { eTag: etag }) };
    const record = {
      eventVersion: '2.1',
      eventSource: form === 's3' ? 'aws:s3' : `${form}:s3`,
      eventTime: time,
      eventName,
      responseElements: { 'x-amz-request-id': `r${number}` },
      s3: { bucket: { name: 'bucket' }, object: { key, sequencer: token.toString(16), ...content } },
    };
    publish({ Records: [record] });
  };
  const written = (path: string): void => notify('ObjectCreated:Copy', path, factOf(path));
  const removed = (path: string): void => notify('ObjectRemoved:Delete', path);

  const tell = ({ files, ...event }: Change): void => {
    if (form === 'native') {
      const { time, token } = stamp();
      publish({ id: `e${number}`, time, version: String(token), ...event });
    } else if (event.type === 'create' || event.type === 'change_permission') written(event.path);
    else
      for (const { path, to } of files ?? [event]) {
        if (to !== undefined) written(to);
        removed(path);
      }
  };
  return { tell, told: () => number };
};

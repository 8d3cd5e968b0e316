import type { BucketEvent, BucketEventType } from './event.ts';
import { Invalid } from './fields.ts';
import { pathOfObject } from './keys.ts';
import type { Decoded } from './message.ts';
import { sequencerToken } from './order.ts';
import type { Certainty } from './s3-names.ts';

/** What a notification about an S3 bucket says of one object, in whatever wrapping it came. */
export type ObjectFact = {
  /** The event's `source`, and the first part of its id. */
  readonly source: string;
  readonly type: BucketEventType;
  readonly certainty: Certainty;
  readonly key: string;
  readonly bucket: string;
  readonly time: string;
  readonly size?: number | undefined;
  readonly etag?: string | undefined;
  readonly permissions?: string | undefined;
  readonly versionId?: string | undefined;
  readonly sequencer?: string | undefined;
  /** Whether the sequencer orders the events of one key. */
  readonly ordered: boolean;
  readonly requestId?: string | undefined;
};

/** The sequencer as an order token. Throws Invalid for one that is no hexadecimal number. */
const tokenOf = ({ sequencer, ordered }: ObjectFact): string | undefined => {
  if (sequencer === undefined || !ordered) return undefined;
  const token = sequencerToken(sequencer);
  if (token === undefined)
    throw new Invalid(`sequencer: expected a hexadecimal number, found ${JSON.stringify(sequencer)}`);
  return token;
};

/**
 * The event of one object fact. S3 gives its events no id: bucket, key, kind, version, sequencer and request name the fact,
 * and where one of the last two is missing the time does. Whatever a redelivery repeats, it repeats these.
 */
export const decodeObjectFact = (fact: ObjectFact): Decoded => {
  const { type, source, bucket, key, size, etag, permissions, versionId = '', sequencer, requestId, time } = fact;
  const content = type === 'create';
  const checked = pathOfObject(key, content ? size : undefined);
  if ('problem' in checked) throw new Invalid(checked.problem);
  const token = tokenOf(fact);
  const moment = sequencer === undefined || requestId === undefined ? `@${time}` : '';
  const event: BucketEvent = {
    id: `${source}:${bucket}/${key}#${type}:${versionId}:${token ?? sequencer ?? ''}:${requestId ?? ''}${moment}`,
    type,
    time,
    path: checked.path,
    ...(content && size !== undefined && { size }),
    ...(content && etag !== undefined && { etag }),
    ...(content && permissions !== undefined && { permissions }),
    ...(token !== undefined && { version: token }),
    ...(type === 'delete' && checked.path.endsWith('/') && { scope: 'marker' as const }),
    source,
  };
  if (type === 'change_permission') return { kind: 'ask', question: 'acl', unasked: 'reject', key, event };
  if (fact.certainty !== 'certain') {
    return { kind: 'ask', question: 'head', unasked: fact.certainty === 'asked' ? 'reject' : 'event', key, event };
  }
  // Without an etag nobody could tell later whether the object is still the one that was announced.
  if (content && etag === undefined) return { kind: 'ask', question: 'facts', unasked: 'event', key, event };
  return { kind: 'event', event };
};

import type { BucketEvent, BucketEventType } from './event.ts';
import { Invalid } from './fields.ts';
import { pathOfObject } from './keys.ts';
import type { Decoded } from './message.ts';
import { sequencerToken, timedToken } from './order.ts';
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
  /** What orders the events of one key: the sequencer, their time with it as a tie-break, or nothing but their time. */
  readonly order: 'sequencer' | 'time, then sequencer' | 'time';
  readonly requestId?: string | undefined;
};

/** Of a folder a change of permissions would hold for all beneath, and that is not what its marker's metadata or ACL says. */
export const markerChanged: Decoded = {
  kind: 'ignore',
  reason: "the permissions of a folder's marker are not the folder's",
};

/** The sequencer in normal form, and the order token. Throws Invalid for a sequencer that is no hexadecimal number. */
const tokensOf = ({
  sequencer,
  order,
  source,
  time,
}: ObjectFact): { readonly normal?: string; readonly token?: string } => {
  if (sequencer === undefined || order === 'time') return {};
  const normal = sequencerToken(sequencer);
  const token = order === 'sequencer' ? normal : timedToken(source, time, sequencer);
  if (normal === undefined || token === undefined)
    throw new Invalid(`sequencer: expected a hexadecimal number, found ${JSON.stringify(sequencer)}`);
  return { normal, token };
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
  const isMarker = checked.path.endsWith('/');
  if (isMarker && type === 'change_permission') return markerChanged;
  const { normal, token } = tokensOf(fact);
  const moment = sequencer === undefined || requestId === undefined ? `@${time}` : '';
  const event: BucketEvent = {
    id: `${source}:${bucket}/${key}#${type}:${versionId}:${normal ?? sequencer ?? ''}:${requestId ?? ''}${moment}`,
    type,
    time,
    path: checked.path,
    ...(content && size !== undefined && { size }),
    ...(content && etag !== undefined && { etag }),
    ...(content && permissions !== undefined && { permissions }),
    ...(token !== undefined && { version: token }),
    ...(type === 'delete' && isMarker && { scope: 'marker' as const }),
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

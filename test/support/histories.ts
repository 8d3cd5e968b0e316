import fc from 'fast-check';
import type { BucketEvent } from '../../events/event.ts';
import { compareEvents, timedToken, versionToken } from '../../events/order.ts';

/**
 * Generated histories of native events over a small tree, so that paths meet often. `d0` is the first path after all that
 * is beneath `d/`, and the folder `📁/` has fewer characters than UTF-16 code units.
 */
const files = ['a', 'b', 'd/x', 'd/📁y', 'd/e/x', 'd0', 'f/x', 'f/e/x', '📁/x'];
const folders = ['d/', 'd/e/', 'f/', 'f/e/', '📁/'];

const file = fc.constantFrom(...files);
const folder = fc.constantFrom(...folders);

const inside = (path: string, to: string): boolean => path === to || to.startsWith(path);

type Draft = Pick<BucketEvent, 'type' | 'path'> &
  Partial<Pick<BucketEvent, 'to' | 'permissions' | 'scope' | 'key' | 'size' | 'etag'>>;

const draft: fc.Arbitrary<Draft> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('create' as const), path: file }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('create' as const),
      path: file,
      permissions: fc.constantFrom('0644', '0600'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('create' as const),
      path: file,
      key: fc.constantFrom('key-1', 'key-2', ...files),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('create' as const), path: folder }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), path: file }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), path: folder }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('delete' as const), path: folder, scope: fc.constant('marker' as const) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('change_permission' as const),
      path: fc.oneof(file, folder),
      permissions: fc.constantFrom('0640', '0755'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({ type: fc.constantFrom('rename' as const, 'move' as const), path: file, to: file })
      .filter(({ path, to }) => path !== to),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({
        type: fc.constant('rename' as const),
        path: file,
        to: file,
        key: fc.constantFrom('key-3', 'key-4', ...files),
      })
      .filter(({ path, to }) => path !== to),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({
        type: fc.constant('move' as const),
        path: file,
        to: file,
        stated: fc.constantFrom({ etag: 'copied-1' }, { etag: 'copied-2', size: 99 }),
      })
      .filter(({ path, to }) => path !== to)
      .map(({ stated, ...draft }) => ({ ...draft, ...stated })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({
        type: fc.constant('move' as const),
        path: folder,
        to: folder,
        key: fc.constant('key-5'),
        etag: fc.constant('of-a-folder'),
      })
      .filter(({ path, to }) => !inside(path, to)),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({ type: fc.constantFrom('rename' as const, 'move' as const), path: folder, to: folder })
      .filter(({ path, to }) => !inside(path, to)),
  },
);

/**
 * What orders a history: a token on every event, the events' times alone, tokens of which several events have the same, so
 * that time and at last the id decide between them, or times with a sequencer that contradicts them, which some events lack.
 */
export type Ordering = 'tokens' | 'times' | 'ties' | 'timed';

const secondsOf: Readonly<Record<Ordering, (index: number) => number>> = {
  tokens: () => 0,
  times: (index) => index,
  timed: (index) => index,
  ties: (index) => Math.floor(index / 2),
};

const tokenOf = (ordering: Ordering, index: number, time: string): string | undefined => {
  if (ordering === 'timed') return index % 3 === 0 ? undefined : timedToken('minio', time, String(1_000 - index));
  return ordering === 'times' ? undefined : versionToken(ordering === 'ties' ? 1 + Math.floor(index / 4) : index + 1);
};

/** A history in its own order. */
export const history = (lengthMax: number, ordering: Ordering = 'tokens'): fc.Arbitrary<BucketEvent[]> =>
  fc.array(draft, { minLength: 1, maxLength: lengthMax }).map((drafts) =>
    drafts
      .map((event, index): BucketEvent => {
        const time = new Date(Date.UTC(2026, 0, 1) + secondsOf[ordering](index) * 1000).toISOString();
        const version = tokenOf(ordering, index, time);
        return {
          ...event,
          id: `e${index + 1}`,
          time,
          ...(event.type === 'create' && !event.path.endsWith('/') && { size: index + 1, etag: `etag-${index + 1}` }),
          ...(version !== undefined && { version }),
          source: 'native',
        };
      })
      .sort((a, b) => (ordering === 'ties' ? compareEvents({ ...a, offset: 0 }, { ...b, offset: 0 }) : 0)),
  );

/** A history in some order of arrival, with some events delivered twice. */
export const arrivals = (
  lengthMax: number,
  ordering: Ordering = 'tokens',
): fc.Arbitrary<{ sorted: BucketEvent[]; arrived: BucketEvent[] }> =>
  history(lengthMax, ordering).chain((sorted) =>
    fc
      .shuffledSubarray([...sorted, ...sorted], { minLength: sorted.length, maxLength: sorted.length * 2 })
      .map((some) => ({ sorted, arrived: [...some, ...sorted.filter((event) => !some.includes(event))] })),
  );

/** Whether a rename or move arrives before the create of what it carries. */
export const hasLateSource = (arrived: readonly BucketEvent[]): boolean =>
  arrived.some(
    ({ to, path }, at) =>
      to !== undefined && arrived.slice(at).some((later) => later.type === 'create' && later.path === path),
  );

/** Whether a file is renamed or moved to where another one stands. */
export const hasTakenTarget = (sorted: readonly BucketEvent[]): boolean =>
  sorted.some(
    ({ to }, at) =>
      to !== undefined && sorted.slice(0, at).some((earlier) => earlier.type === 'create' && earlier.path === to),
  );

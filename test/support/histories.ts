import fc from 'fast-check';
import type { BucketEvent } from '../../events/event.ts';
import { versionToken } from '../../events/order.ts';

/** Generated histories of native events over a small tree, so that paths meet often. */
const files = ['a', 'b', 'd/x', 'd/y', 'd/e/x', 'f/x', 'f/e/x', 'g'];
const folders = ['d/', 'd/e/', 'f/', 'f/e/'];

const file = fc.constantFrom(...files);
const folder = fc.constantFrom(...folders);

const inside = (path: string, to: string): boolean => path === to || to.startsWith(path);

type Draft = Pick<BucketEvent, 'type' | 'path'> & Partial<Pick<BucketEvent, 'to' | 'permissions' | 'scope'>>;

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
    weight: 3,
    arbitrary: fc
      .record({ type: fc.constantFrom('rename' as const, 'move' as const), path: folder, to: folder })
      .filter(({ path, to }) => !inside(path, to)),
  },
);

/** A history with a token on every event; `tokens: false` leaves the order to the events' times. */
export const history = (lengthMax: number, tokens = true): fc.Arbitrary<BucketEvent[]> =>
  fc.array(draft, { minLength: 1, maxLength: lengthMax }).map((drafts) =>
    drafts.map((event, index) => ({
      ...event,
      id: `e${index + 1}`,
      time: new Date(Date.UTC(2026, 0, 1) + (tokens ? 0 : index * 1000)).toISOString(),
      ...(event.type === 'create' && !event.path.endsWith('/') && { size: index + 1, etag: `etag-${index + 1}` }),
      ...(tokens && { version: versionToken(index + 1) }),
      source: 'native',
    })),
  );

/** A history in some order of arrival, with some events delivered twice. */
export const arrivals = (
  lengthMax: number,
  tokens = true,
): fc.Arbitrary<{ sorted: BucketEvent[]; arrived: BucketEvent[] }> =>
  history(lengthMax, tokens).chain((sorted) =>
    fc
      .shuffledSubarray([...sorted, ...sorted], { minLength: sorted.length, maxLength: sorted.length * 2 })
      .map((some) => ({ sorted, arrived: [...some, ...sorted.filter((event) => !some.includes(event))] })),
  );

import { Readable } from 'node:stream';
import type { OperationKind, OutcomeEvent } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';
import type { Clock } from '../../src/apply/clock.ts';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { SupersededError } from '../../src/errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import type { Plan, Step } from '../../src/plan/operation.ts';
import { planId, withId } from '../../src/plan/operation-id.ts';

export type TestClock = Clock & { readonly slept: readonly number[]; at: number };

/** Waits up to this long pass at once; longer ones are deadlines, which no test here reaches unless it says so. */
const deadlineMsMin = 60_000;

/** A clock that stands still, but for the waits that are asked of it. */
export const testClock = (options: { deadlineMsMin?: number; random?: () => number } = {}): TestClock => {
  const slept: number[] = [];
  const clock = {
    at: Date.parse('2026-01-02T03:04:05Z'),
    slept,
    now: () => clock.at,
    random: options.random ?? (() => 0.5),
    sleep: async (ms: number, signal?: AbortSignal): Promise<void> => {
      signal?.throwIfAborted();
      if (ms >= (options.deadlineMsMin ?? deadlineMsMin)) {
        await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
        return;
      }
      slept.push(ms);
      clock.at += ms;
      await new Promise<void>((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    },
  };
  return clock;
};

let offsets = 1_000;

export const rowOf = (path: string, given: Partial<FileRow> = {}): FileRow => {
  offsets += 1;
  return {
    path,
    file_id: offsets,
    key: null,
    size: null,
    etag: null,
    permissions: null,
    modified_at: '2026-01-02T03:04:05Z',
    offset: offsets,
    ...given,
  };
};

export type Given = Partial<FileRow> & { to?: string; after?: readonly number[]; recursive?: true };

/** A step as the planner would make it. */
export const stepOf = (kind: OperationKind, path: string, { to, after = [], recursive, ...row }: Given = {}): Step => {
  const result = kind === 'delete' ? null : rowOf(to ?? path, row);
  const operation = withId({
    kind,
    path,
    file_id: result?.file_id ?? 1,
    from_offset: 0,
    to_offset: result?.offset ?? ++offsets,
    ...(to !== undefined && { to }),
    ...(recursive && { recursive }),
    ...(result?.size != null && { size: result.size }),
    ...(result?.etag != null && { etag: result.etag }),
    ...(result?.permissions != null && { permissions: result.permissions }),
  });
  return { operation, after, why: 'a test wants it', result };
};

export const planOf = (...steps: readonly Step[]): Plan => ({
  id: planId(steps.map(({ operation }) => operation)),
  steps,
  unplaceable: [],
});

/** The outcomes that were committed, and the option that collects them. */
export const collected = (): {
  outcomes: OutcomeEvent[];
  onOutcomes: (batch: readonly OutcomeEvent[]) => Promise<void>;
} => {
  const outcomes: OutcomeEvent[] = [];
  return { outcomes, onOutcomes: async (batch) => void outcomes.push(...batch) };
};

const unexpected = async (): Promise<never> => {
  throw new Error('this test does not expect such a call');
};

/** A bucket that holds every key, with the key's own name as content. */
export const anyBucket: Bucket = {
  name: 'any',
  list: () => {
    throw new Error('this test does not expect a listing');
  },
  head: unexpected,
  aclPermissions: unexpected,
  check: unexpected,
  identify: unexpected,
  get: async (key) => {
    if (key.startsWith('gone')) throw new SupersededError(`${key} is gone`);
    const body = Readable.from([Buffer.from(key)], { objectMode: false });
    const facts = { key, size: Buffer.byteLength(key), etag: 'e', modifiedAt: '', observedAt: '' };
    return { facts, body, verification: 'md5' };
  },
};

/** A file manager for tests of the scheduling alone: every operation goes to `act`, with its idempotency key. */
export const scriptedFileManager = (
  act: (kind: OperationKind, path: string, key: string, signal: AbortSignal | undefined) => Promise<void>,
): FileManager => ({
  saveToDisk: async (path, { body }, { idempotencyKey, signal }) => {
    for await (const _ of body);
    await act('save', path, idempotencyKey, signal);
  },
  updatePermissions: (path, _, { idempotencyKey, signal }) => act('update_permissions', path, idempotencyKey, signal),
  delete: (path, { idempotencyKey, signal }) => act('delete', path, idempotencyKey, signal),
  rename: (path, _, { idempotencyKey, signal }) => act('rename', path, idempotencyKey, signal),
  move: (path, _, { idempotencyKey, signal }) => act('move', path, idempotencyKey, signal),
  report: unexpected,
  describe: unexpected,
  list: () => {
    throw new Error('this test does not expect a listing');
  },
  read: unexpected,
});

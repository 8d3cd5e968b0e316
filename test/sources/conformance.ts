import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { RetryableError } from '../../src/errors.ts';
import type { Intake } from '../../src/intake/intake.ts';
import { openLogForReading } from '../../src/log/read-log.ts';
import type { BatchResult } from '../../src/sources/consume.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import type { TestOrder } from '../support/servers.ts';
import type { SourceSpec } from './open.ts';
import { type Ending, subscribe } from './subscriber.ts';

/**
 * One way from a producer to the service: a topic and subscription, a queue, an address, a file. Each test takes a fresh
 * one. The tests know nothing else of what is behind it.
 */
export type Wire = {
  /** How the service opens its end, in this process or another. */
  readonly spec: SourceSpec;
  /** Resolves when the other side has the messages, and will deliver them until they are acked. */
  send(bodies: readonly string[]): Promise<void>;
  /** Takes the server down and brings it back. One that forgets on that what it had is sent everything again. */
  restart(): Promise<void>;
  close(): Promise<void>;
};

export type ConformanceOptions = {
  /** Registers a test, on whatever server the source needs. */
  readonly test: (
    title: string,
    run: (t: ExecutionContext, fresh: () => Promise<Wire>) => Promise<void>,
    order: TestOrder,
  ) => void;
  /** Silence after which nothing more comes that was given back, milliseconds. */
  readonly silenceMs: number;
  /** Silence after which nothing more comes that was never acked: longer than a lease. */
  readonly leaseMs: number;
  /** False for a file: nobody remembers acks, and who reads it again gets everything again. */
  readonly remembersAcks: boolean;
  /** False for a file. */
  readonly hasServer: boolean;
};

type Event = { readonly id: string; readonly type: string; readonly time: string; readonly path: string };

export const eventOf = (n: number, fields: object = {}): Event => ({
  id: `e${n}`,
  type: 'create',
  time: new Date(Date.UTC(2026, 0, 1) + n * 1_000).toISOString(),
  path: `d${n % 5}/f${n}`,
  ...fields,
});

export const bodiesOf = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, n) => JSON.stringify({ ...eventOf(from + n), size: from + n }));

export const sum = (
  results: readonly BatchResult<Intake>[],
  field: 'messages' | 'appended' | 'duplicates' | 'quarantined',
) => results.reduce((total, result) => total + (result.kind === 'committed' ? result.counts[field] : 0), 0);

/** Asserts that the log holds exactly the events e0 … e(count-1), once each, without a gap in its offsets. */
export const holdsExactly = async (t: ExecutionContext, data: string, count: number): Promise<void> => {
  const log = await openLogForReading(join(data, 'events.db'));
  const events = await log.read(1, 1_000_000, 1_000_000);
  await log.close();
  t.deepEqual(
    events.map(({ offset }) => offset),
    Array.from({ length: events.length }, (_, n) => n + 1),
    'offsets are contiguous',
  );
  t.is(new Set(events.map(({ id }) => id)).size, events.length, 'none counts twice');
  const missing = Array.from({ length: count }, (_, n) => `e${n}`).filter((id) => !events.some((one) => one.id === id));
  t.deepEqual(missing, [], 'none is lost');
  t.is(events.length, count);
};

/** A subscriber in a process of its own, until its end. Resolves with the number of events in the log. */
const runUntil = async (at: Ending, spec: SourceSpec, data: string): Promise<number> => {
  const file = join(import.meta.dirname, 'subscriber.ts');
  const child = spawn(process.execPath, [file, JSON.stringify({ spec, data, at })], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  const asMeant = at === 'graceful stop' ? code === 0 : signal === 'SIGKILL';
  if (!asMeant) throw new Error(`the subscriber ended otherwise than by its ${at}: ${code ?? signal}`);
  const log = await openLogForReading(join(data, 'events.db'));
  const last = await log.last();
  await log.close();
  return last;
};

/** What every source does, on its real server. */
export const conformance = ({ test, silenceMs, leaseMs, remembersAcks, hasServer }: ConformanceOptions): void => {
  const within = (
    title: string,
    run: (t: ExecutionContext, place: { wire: Wire; data: string }) => Promise<void>,
    order: TestOrder = 'one by one',
  ): void => {
    const inPlace = async (t: ExecutionContext, fresh: () => Promise<Wire>): Promise<void> => {
      t.timeout(170_000);
      const data = await freshFolder();
      const wire = await fresh();
      try {
        await run(t, { wire, data });
      } finally {
        await wire.close();
        await removeFolder(data);
      }
    };
    test(title, inPlace, order);
  };

  /** Nothing comes any more: every ack has arrived. */
  const isDrained = async (t: ExecutionContext, { wire, data }: { wire: Wire; data: string }): Promise<void> => {
    if (!remembersAcks) return;
    const results = await subscribe({ spec: wire.spec, data, idleMs: leaseMs });
    t.is(sum(results, 'messages'), 0, 'what was acked does not come again');
  };

  within(
    'each message is delivered, and acked for good',
    async (t, place) => {
      await place.wire.send(bodiesOf(50));
      const results = await subscribe({ ...placed(place), until: ({ last }) => last >= 50 });
      t.is(sum(results, 'appended'), 50);
      t.is(sum(results, 'duplicates'), 0);
      await holdsExactly(t, place.data, 50);
      await isDrained(t, place);
    },
    'together',
  );

  within('what is given back is delivered again, and a fact that is sent twice counts once', async (t, place) => {
    const bodies = bodiesOf(30);
    // The same facts with other spaces: for a queue that drops repeated bodies, too, they are other messages.
    await place.wire.send([...bodies, ...bodies.slice(0, 10).map((body) => ` ${body}`)]);
    let failures = 0;
    const results = await subscribe({
      ...placed(place),
      messagesMax: 7,
      idleMs: silenceMs + 1_000,
      beforeCommit: () => {
        failures += 1;
        if (failures % 3 === 1 && failures < 10) throw new RetryableError('the disk was busy');
      },
    });
    t.true(results.some(({ kind }) => kind === 'failed'));
    t.is(sum(results, 'appended'), 30);
    t.true(sum(results, 'duplicates') >= 10);
    await holdsExactly(t, place.data, 30);
  });

  within('messages that arrive out of order lead to the same table', async (t, place) => {
    const versions = [2, 0, 3, 1];
    const bodies = versions.flatMap((version) =>
      [0, 1, 2].map((file) =>
        JSON.stringify(
          eventOf(version * 3 + file, {
            path: `f${file}`,
            version: String(version + 1),
            type: version === 1 || (version === 3 && file === 0) ? 'delete' : 'create',
            ...(version !== 1 && { size: 100 * version + file }),
          }),
        ),
      ),
    );
    await place.wire.send(bodies);
    await subscribe({ ...placed(place), messagesMax: 5, until: ({ last }) => last >= 12 });
    await holdsExactly(t, place.data, 12);
    const database = await openDatabase({ path: join(place.data, 'projections.db'), mode: 'read' });
    t.deepEqual(await database.all('SELECT path, size FROM file ORDER BY path'), [
      { path: 'f1', size: 301 },
      { path: 'f2', size: 302 },
    ]);
    await database.close();
  });

  for (const at of ['before commit', 'after commit'] as const) {
    const moment = at === 'before commit' ? 'before the commit' : 'between commit and ack';
    // They mostly wait for the lease of a process that is gone.
    const crashes = async (t: ExecutionContext, place: { wire: Wire; data: string }): Promise<void> => {
      await place.wire.send(bodiesOf(20));
      const committed = await runUntil(at, place.wire.spec, place.data);
      t.is(committed > 0, at === 'after commit');
      const results = await subscribe({
        ...placed(place),
        until: ({ last, duplicates }) => last >= 20 && duplicates >= committed,
      });
      t.is(sum(results, 'duplicates'), committed, 'what was committed and never acked came again');
      await holdsExactly(t, place.data, 20);
      await isDrained(t, place);
    };
    within(`a crash ${moment} loses nothing and doubles nothing`, crashes, 'together');
  }

  within(
    'a message that is not understood goes to quarantine, and nothing behind it waits',
    async (t, place) => {
      const poison = [
        '{"id":"p1","type":"create"',
        '{"id":"p2","type":"explode","time":"2026-01-01T00:00:00Z","path":"a"}',
      ];
      await place.wire.send([...bodiesOf(5), ...poison, ...bodiesOf(5, 5)]);
      const results = await subscribe({ ...placed(place), messagesMax: 4, until: ({ messages }) => messages >= 12 });
      t.is(sum(results, 'quarantined'), 2);
      await holdsExactly(t, place.data, 10);
      const database = await openDatabase({ path: join(place.data, 'events.db'), mode: 'read' });
      const kept = await database.all<{ body: Buffer; reason: string }>('SELECT body, reason FROM quarantine');
      await database.close();
      t.deepEqual(kept.map(({ body }) => body.toString()).sort(), [...poison].sort());
      t.true(kept.every(({ reason }) => reason.length > 10));
      await isDrained(t, place);
    },
    'together',
  );

  within('a backlog of 10,000 messages is taken in bounded batches, each message once', async (t, place) => {
    await place.wire.send(bodiesOf(10_000));
    const sizes: number[] = [];
    await subscribe({
      ...placed(place),
      messagesMax: 700,
      until: ({ last }) => last >= 10_000,
      beforeCommit: (deliveries) => void sizes.push(deliveries.length),
    });
    t.true(Math.max(...sizes) <= 700, `largest batch ${Math.max(...sizes)}`);
    await holdsExactly(t, place.data, 10_000);
  });

  within(
    'a graceful stop finishes the batch in hand, gives the rest back and loses no ack',
    async (t, place) => {
      await place.wire.send(bodiesOf(300));
      const taken = await runUntil('graceful stop', place.wire.spec, place.data);
      t.true(taken >= 100 && taken < 300, `${taken} of 300`);
      const rest = await subscribe({ ...placed(place), messagesMax: 20, until: ({ last }) => last >= 300 });
      if (remembersAcks) t.is(sum(rest, 'messages'), 300 - taken, 'the rest comes, and nothing comes again');
      await holdsExactly(t, place.data, 300);
      await isDrained(t, place);
    },
    'together',
  );

  if (!hasServer) return;
  within('a server that restarts in the middle is waited for, and nothing is lost', async (t, place) => {
    await place.wire.send(bodiesOf(200));
    let restarted: Promise<void> | undefined;
    await subscribe({
      ...placed(place),
      messagesMax: 10,
      until: ({ last }) => last >= 250,
      afterCommit: () => {
        restarted ??= place.wire.restart().then(() => place.wire.send(bodiesOf(50, 200)));
      },
    });
    await restarted;
    await holdsExactly(t, place.data, 250);
  });
};

const placed = ({ wire, data }: { wire: Wire; data: string }) => ({ spec: wire.spec, data });

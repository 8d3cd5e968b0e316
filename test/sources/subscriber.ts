import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom, toArray } from 'rxjs';
import { loadConfig } from '../../src/config/config.ts';
import { openWorkspace } from '../../src/data-folder/workspace.ts';
import { type Intake, takeIn } from '../../src/intake/intake.ts';
import { createFollower } from '../../src/projector/follow.ts';
import { type BatchResult, consume } from '../../src/sources/consume.ts';
import type { Delivery } from '../../src/sources/source.ts';
import { openSpec, type SourceSpec } from './open.ts';

export type SubscriberOptions = {
  readonly spec: SourceSpec;
  readonly data: string;
  readonly messagesMax?: number;
  /** Stops gracefully once this holds after a commit. */
  readonly until?: (seen: Seen) => boolean;
  /** Stops once nothing came for this long. */
  readonly idleMs?: number;
  readonly beforeCommit?: (deliveries: readonly Delivery[]) => Promise<void> | void;
  readonly afterCommit?: (intake: Intake, deliveries: readonly Delivery[]) => Promise<void> | void;
};

/** What the log holds, and what this subscriber has committed since it began. */
export type Seen = { readonly last: number; readonly messages: number; readonly duplicates: number };

const waitMsMax = 90_000;

/** The service's own subscriber: source, intake, log and projections, put together as `s3-sync subscribe` does. */
export const subscribe = async (options: SubscriberOptions): Promise<readonly BatchResult<Intake>[]> => {
  const workspace = await openWorkspace(loadConfig({ DATA_DIR: options.data }), 'test');
  const stop = new AbortController();
  let messages = 0;
  let duplicates = 0;
  const timer = setTimeout(() => stop.abort(), waitMsMax);
  try {
    const source = await openSpec(options.spec);
    const follower = createFollower(workspace.projector);
    const step = async (deliveries: readonly Delivery[]): Promise<Intake> => {
      await follower.ready();
      await options.beforeCommit?.(deliveries);
      const intake = await takeIn(deliveries, { log: workspace.log, sourceName: source.name });
      await options.afterCommit?.(intake, deliveries);
      follower.grown(intake.appended);
      messages += intake.messages;
      duplicates += intake.duplicates;
      if (options.until?.({ last: await workspace.log.last(), messages, duplicates })) stop.abort();
      return intake;
    };
    const limits = { messagesMax: options.messagesMax ?? 500, bytesMax: 64 * 1024 * 1024, lingerMs: 20 };
    const { idleMs } = options;
    const stream = consume(source, step, {
      limits,
      signal: stop.signal,
      retryMsMax: 100,
      refusedBy: ({ refused }) => refused,
      ...(idleMs !== undefined && { idleMs }),
    });
    const results = await lastValueFrom(stream.pipe(toArray()));
    await follower.end();
    return results;
  } finally {
    clearTimeout(timer);
    await workspace.close();
  }
};

// A subscriber in a process of its own, `node subscriber.ts JSON`, that kills itself at the given moment, or stops
// gracefully after a hundred events and is gone at once: what it has not told its broker by then, it never will.
export type Ending = 'before commit' | 'after commit' | 'graceful stop';
type Order = { readonly spec: SourceSpec; readonly data: string; readonly at: Ending };

if (import.meta.main) {
  const { spec, data, at } = JSON.parse(process.argv[2] ?? '') as Order;
  const die = async (): Promise<void> => {
    process.kill(process.pid, 'SIGKILL');
    await sleep(60_000);
  };
  if (at === 'graceful stop') {
    await subscribe({ spec, data, messagesMax: 20, until: ({ last }) => last >= 100 });
    process.exit(0);
  }
  await subscribe({ spec, data, ...(at === 'before commit' ? { beforeCommit: die } : { afterCommit: die }) });
}

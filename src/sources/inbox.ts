import type { BatchLimits, Delivery, ReceiveOptions } from './source.ts';

type Entry = { readonly delivery: Delivery; readonly bytes: number };

/**
 * What a broker has delivered and nobody has received yet, in order of arrival.
 *
 * It is bounded by whoever fills it: Pub/Sub by the client's flow control, pollers by waiting for `room`.
 * One reader at a time. An aborted `take` leaves everything in place, so that `close` can give it back to the broker.
 */
export type Inbox = {
  put(delivery: Delivery, bytes: number): void;
  /** Makes the present and every later `take` throw, once what is already here was taken. */
  fail(error: Error): void;
  /** Ends `take` and `room`, and returns what was never taken. */
  close(): readonly Delivery[];
  /** Takes out what matches, in order. */
  withdraw(matches: (delivery: Delivery) => boolean): readonly Delivery[];
  take(limits: BatchLimits, options: ReceiveOptions): Promise<readonly Delivery[]>;
  /** Resolves when fewer messages and fewer bytes wait here, the inbox is closed, or `signal` is aborted. */
  room(less: { readonly messages: number; readonly bytes: number }, signal: AbortSignal): Promise<void>;
};

export const createInbox = (): Inbox => {
  let entries: Entry[] = [];
  let bytes = 0;
  let failure: Error | undefined;
  let closed = false;
  const watchers = new Set<() => void>();
  const changed = () => {
    for (const watch of watchers) watch();
  };

  /** False when time, signal or close came first. */
  const until = (holds: () => boolean, waitMs: number | undefined, signal?: AbortSignal): Promise<boolean> =>
    new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const settle = (result: boolean) => {
        clearTimeout(timer);
        watchers.delete(look);
        signal?.removeEventListener('abort', look);
        resolve(result);
      };
      const look = () => {
        if (closed || signal?.aborted) settle(false);
        else if (holds()) settle(true);
      };
      watchers.add(look);
      signal?.addEventListener('abort', look);
      if (waitMs !== undefined) timer = setTimeout(() => settle(false), waitMs);
      look();
    });

  const remove = (count: number): readonly Delivery[] => {
    const taken = entries.splice(0, count);
    for (const entry of taken) bytes -= entry.bytes;
    changed();
    return taken.map((entry) => entry.delivery);
  };

  /** At least one, however large it is. */
  const fitting = (limits: BatchLimits): number => {
    let total = 0;
    let count = 0;
    for (const entry of entries) {
      total += entry.bytes;
      if (count === limits.messagesMax || (count > 0 && total > limits.bytesMax)) break;
      count += 1;
    }
    return count;
  };

  return {
    put(delivery, size) {
      entries.push({ delivery, bytes: size });
      bytes += size;
      changed();
    },
    fail(error) {
      failure ??= error;
      changed();
    },
    close() {
      closed = true;
      return remove(entries.length);
    },
    withdraw(matches) {
      const out = entries.filter((entry) => matches(entry.delivery));
      entries = entries.filter((entry) => !matches(entry.delivery));
      for (const entry of out) bytes -= entry.bytes;
      changed();
      return out.map((entry) => entry.delivery);
    },
    async take(limits, { signal, idleMs }) {
      await until(() => entries.length > 0 || failure !== undefined, idleMs, signal);
      if (signal.aborted || closed) return [];
      if (entries.length === 0) {
        if (failure) throw failure;
        return [];
      }
      const full = () => entries.length >= limits.messagesMax || bytes >= limits.bytesMax || failure !== undefined;
      await until(full, limits.lingerMs, signal);
      return signal.aborted || closed ? [] : remove(fitting(limits));
    },
    async room(less, signal) {
      await until(() => entries.length < less.messages && bytes < less.bytes, undefined, signal);
    },
  };
};

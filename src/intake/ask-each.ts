import { from, lastValueFrom, mergeMap } from 'rxjs';
import type { Bucket } from '../bucket/bucket.ts';
import { FailingObjectError, UnreadableError } from '../bucket/errors.ts';
import { RetryableError } from '../errors.ts';

/** A question that got no answer: now (RetryableError), or as long as the bucket keeps that object to itself. */
export type Unanswered<Question> = { readonly asked: Question; readonly error: RetryableError | UnreadableError };

/** Throws what keeps a question from its answer for now. Those that the bucket keeps to itself stay without one. */
export const insistNotAway = (unanswered: readonly Unanswered<unknown>[]): void => {
  const away = unanswered.find(({ error }) => error instanceof RetryableError);
  if (away) throw away.error;
};

/**
 * Asks the bucket about one object. Throws FailingObjectError where the bucket answers, and about this object fails again; and
 * while the bucket is away, whatever it says of itself.
 */
export const askOne = async <Answer>(
  ask: () => Promise<Answer>,
  bucket: Pick<Bucket, 'check'>,
  signal?: AbortSignal,
): Promise<Answer> => {
  try {
    return await ask();
  } catch (error) {
    if (signal?.aborted || !(error instanceof RetryableError)) throw error;
  }
  await bucket.check(signal ? { signal } : {});
  try {
    return await ask();
  } catch (error) {
    if (signal?.aborted || !(error instanceof RetryableError)) throw error;
    throw new FailingObjectError(error.message, { cause: error });
  }
};

/** Requests to the bucket under way at once. As many that fail in a row are the sign of a bucket that is away. */
const concurrency = 16;

/** Neighbours far from each other, always in the same way: objects that the bucket fails to tell about often lie together. */
const scattered = <Item>(items: readonly Item[]): readonly Item[] =>
  items
    .map((item, at) => ({ item, place: (at * 0x9e3779b1) % 2 ** 32 }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);

/**
 * Asks the bucket each of these questions, in no order of theirs. Resolves with those that got no answer; while the bucket is
 * away most of them are not even asked. Throws what only a person can repair, and whatever a question ends with once the
 * signal is given.
 */
export const askEach = async <Question>(
  questions: readonly Question[],
  ask: (question: Question) => Promise<void>,
  signal?: AbortSignal,
): Promise<readonly Unanswered<Question>[]> => {
  const unanswered: Unanswered<Question>[] = [];
  const underWay = new Set<Promise<void>>();
  let failedInARow = 0;
  let last: RetryableError | undefined;
  const isAway = (): boolean => failedInARow >= concurrency;
  const hear = async (asked: Question): Promise<void> => {
    try {
      await ask(asked);
      failedInARow = 0;
    } catch (error) {
      const isUnreadable = error instanceof UnreadableError;
      if (signal?.aborted || !(isUnreadable || error instanceof RetryableError)) throw error;
      unanswered.push({ asked, error });
      failedInARow = isUnreadable ? 0 : failedInARow + 1;
      if (!isUnreadable) last = error;
    }
  };
  const one = async (asked: Question): Promise<void> => {
    // Those under way may be answered yet, more slowly than others fail.
    if (isAway()) await Promise.allSettled(underWay);
    if (last && isAway()) {
      unanswered.push({ asked, error: last });
      return;
    }
    const heard = hear(asked);
    underWay.add(heard);
    await heard.finally(() => underWay.delete(heard));
  };
  await lastValueFrom(from(scattered(questions)).pipe(mergeMap(one, concurrency)), { defaultValue: undefined });
  return unanswered;
};

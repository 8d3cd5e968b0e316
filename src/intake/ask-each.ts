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

/** Requests to the bucket under way at once; after as many that failed for now, the other questions are not asked. */
const concurrency = 16;

/**
 * Asks the bucket each of these questions. Resolves with those that got no answer. Throws what only a person can repair, and
 * whatever a question ends with once the signal is given.
 */
export const askEach = async <Question>(
  questions: readonly Question[],
  ask: (question: Question) => Promise<void>,
  signal?: AbortSignal,
): Promise<readonly Unanswered<Question>[]> => {
  const unanswered: Unanswered<Question>[] = [];
  let failures = 0;
  let last: RetryableError | undefined;
  const one = async (asked: Question): Promise<void> => {
    if (last && failures >= concurrency) {
      unanswered.push({ asked, error: last });
      return;
    }
    try {
      await ask(asked);
    } catch (error) {
      const isUnreadable = error instanceof UnreadableError;
      if (signal?.aborted || !(isUnreadable || error instanceof RetryableError)) throw error;
      if (!isUnreadable) {
        failures += 1;
        last = error;
      }
      unanswered.push({ asked, error });
    }
  };
  await lastValueFrom(from(questions).pipe(mergeMap(one, concurrency)), { defaultValue: undefined });
  return unanswered;
};

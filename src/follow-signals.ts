/**
 * Runs `work` with a signal that is aborted once one of these is, for its reason. `AbortSignal.any` leaves something behind
 * in each of them, for as long as it lives: in a daemon's own signal that would grow with every request.
 */
export const followingSignals = async <T>(
  signals: readonly AbortSignal[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const controller = new AbortController();
  const follow = ({ target }: Event): void => controller.abort((target as AbortSignal).reason);
  for (const signal of signals) {
    if (signal.aborted) controller.abort(signal.reason);
    else signal.addEventListener('abort', follow);
  }
  try {
    return await work(controller.signal);
  } finally {
    for (const signal of signals) signal.removeEventListener('abort', follow);
  }
};

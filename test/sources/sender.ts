import { setTimeout as sleep } from 'node:timers/promises';

/** A producer of webhooks as MinIO and Ceph are: keeps each message, and posts it again until it is taken. */
export const createSender = (url: string, token: string) => {
  const waiting: string[] = [];
  const stop = new AbortController();
  let taken = 0;
  const post = async (body: string): Promise<boolean> => {
    try {
      const response = await fetch(url, {
        method: 'POST',
        body,
        headers: { authorization: `Bearer ${token}` },
        signal: stop.signal,
      });
      await response.arrayBuffer();
      return response.ok;
    } catch {
      return false;
    }
  };
  const work = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const body = waiting.shift();
      if (body === undefined) await sleep(20);
      else if (await post(body)) taken += 1;
      else {
        waiting.unshift(body);
        await sleep(50);
      }
    }
  };
  const workers = Array.from({ length: 200 }, work);
  return {
    send: (bodies: readonly string[]): void => void waiting.push(...bodies),
    taken: () => taken,
    close: async (): Promise<void> => {
      stop.abort();
      await Promise.all(workers);
    },
  };
};

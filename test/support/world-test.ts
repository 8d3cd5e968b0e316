import test, { type ExecutionContext } from 'ava';
import { createWorld, type World } from './world.ts';

type Options = NonNullable<Parameters<typeof createWorld>[0]> & { readonly timeoutMs: number };

/** Makes tests that each have a world of their own, which is closed however they end. */
export const worldTest =
  ({ timeoutMs, ...options }: Options) =>
  (title: string, run: (t: ExecutionContext, world: World) => Promise<void>): void => {
    test(title, async (t) => {
      t.timeout(timeoutMs);
      const world = await createWorld(options);
      try {
        await run(t, world);
      } finally {
        await world.close();
      }
    });
  };

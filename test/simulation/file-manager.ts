import { createHash } from 'node:crypto';
import { FatalError, RetryableError } from '../../src/errors.ts';
import { KeyUsedError, RefusedError } from '../../src/file-manager/client-errors.ts';
import type { CallOptions, FileManager } from '../../src/file-manager/file-manager.ts';
import type { Chance, Faults } from './chance.ts';
import type { VirtualClock } from './clock.ts';

type Stored = { md5: string; bytes: Buffer; permissions: string | null };

/** Ends the simulated process: see simulate.ts. */
export type Crash = (kind: 'crash between two operations' | 'crash after an effect, before its outcome') => void;

/** A file manager in memory that keeps its contract, and fails in every way that the contract allows. */
export const createSimulatedFileManager = (
  chance: Chance,
  silence: Chance,
  faults: Faults,
  clock: VirtualClock,
  crash: Crash,
  capabilities: readonly string[],
) => {
  const stored = new Map<string, Stored>();
  const waitingPermissions = new Map<string, string>();
  const answers = new Map<string, { request: string; at: number }>();
  const effects = new Map<string, number>();
  const forgotten = new Set<string>();
  let downFor = 0;
  let calls = 0;
  let dead = false;

  const before = async ({ idempotencyKey, signal }: CallOptions): Promise<void> => {
    calls += 1;
    await clock.turn(`ask ${idempotencyKey}`);
    crash('crash between two operations');
    if (dead) throw new FatalError('the process has ended');
    if (downFor > 0 || faults.strikes('file manager is down for a while', 0.004)) {
      downFor = downFor > 0 ? downFor - 1 : 12;
      throw new RetryableError('connection refused');
    }
    if (faults.strikes('file manager is slow', 0.05)) await clock.sleep(chance.below(5_000), signal);
    if (faults.strikes('file manager answers 429 with Retry-After', 0.03))
      throw new RetryableError('429', { retryAfterMs: chance.below(3_000) });
    if (faults.strikes('file manager answers 503', 0.03)) throw new RetryableError('503');
    if (faults.strikes('file manager fails before the effect', 0.02)) throw new RetryableError('500');
    if (faults.strikes('file manager never answers', 0.01)) {
      await new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        if (signal?.aborted) reject(signal.reason as Error);
      });
    }
    if (answers.has(idempotencyKey) && faults.strikes('file manager forgets an idempotency key', 0.2)) {
      answers.delete(idempotencyKey);
      forgotten.add(idempotencyKey);
    }
  };
  const after = async ({ idempotencyKey }: CallOptions): Promise<void> => {
    await clock.turn(`answer ${idempotencyKey}`);
    crash('crash after an effect, before its outcome');
    if (dead) throw new FatalError('the process has ended');
    if (faults.strikes('file manager fails after the effect', 0.03)) throw new RetryableError('500 after the effect');
  };

  const silent = new Set<string>();
  /** Whether nothing is said about it from now on, or the faults' end: all that is asked at the path ends without an answer. */
  const isSilent = (path: string): boolean => {
    const kind = 'file manager says nothing about a path any more';
    if (!faults.strikes(kind, silent.has(path) ? 1 : 0.02, silence)) return false;
    silent.add(path);
    return true;
  };

  const once = async (request: string, options: CallOptions, effect: () => void): Promise<void> => {
    const says = !isSilent(request.split(' ')[1] ?? '');
    if (!says && silence.is(0.5)) throw new RetryableError('nothing was said');
    await before(options);
    const known = answers.get(options.idempotencyKey);
    if (known !== undefined && known.request !== request)
      throw new KeyUsedError(`key reused: ${known.request}, then ${request}`);
    if (known === undefined) {
      effect();
      answers.set(options.idempotencyKey, { request, at: clock.now() });
      effects.set(options.idempotencyKey, (effects.get(options.idempotencyKey) ?? 0) + 1);
    }
    await after(options);
    if (!says) throw new RetryableError('nothing was said, after the effect');
    if (known !== undefined) options.onRemembered?.(Math.floor((clock.now() - known.at) / 1_000) * 1_000);
  };

  /** Permissions wait for content, and no longer once their path was deleted, or taken by what was moved there. */
  const forgetBeneath = (folder: string): void => {
    for (const path of waitingPermissions.keys()) if (path.startsWith(folder)) waitingPermissions.delete(path);
  };
  const inFolder = (folder: string): string[] => [...stored.keys()].filter((path) => path.startsWith(folder));
  const inTheWay = (path: string, leaving?: string): void => {
    for (const other of stored.keys()) {
      if (other === leaving || (leaving?.endsWith('/') && other.startsWith(leaving))) continue;
      if (other.startsWith(`${path}/`) || path.startsWith(`${other}/`))
        throw new RefusedError(409, `${path} stands in the way of ${other}`);
    }
  };
  const relocate = (path: string, to: string, options: CallOptions): Promise<void> =>
    once(`move ${path} ${to}`, options, () => {
      if (path.endsWith('/')) {
        const going = inFolder(path);
        if (going.length === 0) throw new RefusedError(404, `there is no folder ${path}`);
        forgetBeneath(to);
        for (const replaced of inFolder(to)) if (!going.includes(replaced)) stored.delete(replaced);
        for (const inside of going) {
          stored.set(to + inside.slice(path.length), stored.get(inside) as Stored);
          stored.delete(inside);
        }
        return;
      }
      const file = stored.get(path);
      if (!file) throw new RefusedError(404, `there is no file ${path}`);
      inTheWay(to, path);
      waitingPermissions.delete(to);
      stored.delete(path);
      stored.set(to, file);
    });

  const port: FileManager = {
    saveToDisk: async (path, { body, length, permissions: given = null }, options) => {
      const chunks: Buffer[] = [];
      const cut = faults.strikes('connection cut in the middle of a body', 0.03);
      for await (const chunk of body) {
        chunks.push(chunk as Buffer);
        if (cut) throw new RetryableError('the connection was cut');
      }
      const bytes = Buffer.concat(chunks);
      if (bytes.length !== length) throw new RefusedError(400, `${bytes.length} bytes arrived of ${length}`);
      const md5 = createHash('md5').update(bytes).digest('hex');
      await once(`save ${path} ${md5} ${given}`, options, () => {
        inTheWay(path);
        const permissions = given ?? waitingPermissions.get(path) ?? stored.get(path)?.permissions ?? null;
        waitingPermissions.delete(path);
        stored.set(path, { md5, bytes, permissions });
      });
    },
    updatePermissions: (path, permissions, options) =>
      once(`chmod ${path} ${permissions}`, options, () => {
        const file = stored.get(path);
        if (file) file.permissions = permissions;
        else waitingPermissions.set(path, permissions);
      }),
    delete: (path, options) =>
      once(`delete ${path} ${options.recursive === true}`, options, () => {
        if (path.endsWith('/') && options.recursive) {
          forgetBeneath(path);
          for (const inside of inFolder(path)) stored.delete(inside);
          return;
        }
        waitingPermissions.delete(path);
        stored.delete(path);
      }),
    rename: relocate,
    move: relocate,
    report: async () => undefined,
    describe: async () => ({ name: 'simulated', version: '1', capabilities }),
    async *list() {
      yield* [];
    },
    read: () => Promise.reject(new Error('never asked')),
  };
  return {
    port,
    stored,
    calls: () => calls,
    /** Keys under which something happened more than once though the key was never forgotten. */
    repeated: () => [...effects].filter(([key, times]) => times > 1 && !forgotten.has(key)).map(([key]) => key),
    setDead: (is: boolean): void => {
      dead = is;
    },
  };
};

import { randomUUID } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { lchown, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, FatalError, type FolderInUseError, messageOf } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import { publishFile } from '../snapshot/publish.ts';
import { every } from '../sources/every.ts';
import { isHeld } from './writer.ts';

/**
 * A data folder has one writer. While that is the daemon, a command that must write is handed over to it: a folder under
 * `requests` holds the request, what the command prints, and in the end its exit code. Nothing of it outlives a crash of
 * either side: the daemon empties `requests` when it starts, and whoever asked notices that nobody holds the lock.
 */
export type Handed = {
  readonly command: string;
  readonly words: readonly string[];
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
};

/** How a command ended; `problem` is the text of its error. */
export type Ended = { readonly code: number; readonly problem?: string };

const lookEveryMs = 100;
/** The daemon takes a request within this time, also while a cycle runs. */
const takenWithinMs = 30_000;
/** Who has not fetched an answer by then never will: a command that was killed leaves its request behind. */
const answerKeptMsDefault = 24 * 3_600_000;

const folderOf = (dataFolder: string): string => join(dataFolder, 'requests');

const filesOf = (folder: string) => ({
  /** What becomes the request, once it is the daemon's to read. */
  draft: join(folder, 'draft.json'),
  request: join(folder, 'request.json'),
  output: join(folder, 'output'),
  ended: join(folder, 'ended.json'),
  cancel: join(folder, 'cancel'),
});

const writeWhole = (path: string, value: unknown): Promise<unknown> =>
  publishFile(path, (append) => append(JSON.stringify(value)));

/**
 * Gives what root has made to whoever owns the data folder, as whom the daemon runs: it could not answer beside a request of
 * root's, nor clear it away.
 */
const giveToOwner = async (dataFolder: string, ...paths: readonly string[]): Promise<void> => {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(dataFolder);
  // Never what a link leads to: the folder is another user's.
  for (const path of paths) await lchown(path, uid, gid);
};

/** Prints what was appended to the file since `position`; resolves with the position behind it. */
const printFrom = async (path: string, position: number, print: (text: Buffer) => void): Promise<number> => {
  const file = await open(path, 'r');
  try {
    const chunk = Buffer.alloc(64 * 1024);
    for (let at = position; ; ) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) return at;
      print(Buffer.from(chunk.subarray(0, bytesRead)));
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
};

/**
 * Has the running daemon carry the command out; prints what it prints and resolves with how it ended. Aborting the signal
 * asks for a graceful stop. Throws FatalError when the daemon ends, or does not take the request.
 */
export const handOver = async (
  dataFolder: string,
  handed: Handed,
  inUse: FolderInUseError,
  options: { readonly signal: AbortSignal; readonly print: (text: Buffer) => void },
): Promise<Ended> => {
  const folder = join(folderOf(dataFolder), `${Date.now()}-${randomUUID()}`);
  const files = filesOf(folder);
  /** A daemon that starts empties the folder of requests, perhaps at this moment. */
  const ask = async (): Promise<void> => {
    try {
      await mkdir(folder, { recursive: true });
      await writeWhole(files.draft, handed);
      await giveToOwner(dataFolder, files.draft, folder, folderOf(dataFolder));
      await rename(files.draft, files.request);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  };
  try {
    await ask();
    const asked = Date.now();
    let taken = false;
    for (let position = 0, look = 0; ; look += 1) {
      const ended = existsSync(files.ended);
      if (existsSync(files.output)) {
        taken = true;
        position = await printFrom(files.output, position, options.print);
      } else if (Date.now() - asked > takenWithinMs)
        throw new FatalError(`${inUse.message}; it does not answer`, { cause: inUse });
      if (ended) return JSON.parse(await readFile(files.ended, 'utf8')) as Ended;
      if (look % 10 === 9 && !(await isHeld(dataFolder)))
        throw new FatalError(`${inUse.holder} ended before it had answered: run the command again`, { cause: inUse });
      if (!taken && !existsSync(folder)) await ask();
      if (options.signal.aborted) await writeFile(files.cancel, '').catch(() => undefined);
      await sleep(lookEveryMs);
    }
  } finally {
    await leave(folder);
  }
};

/** The request goes first: without it the daemon takes nothing. What cannot be removed is left to the next daemon. */
const leave = async (folder: string): Promise<void> => {
  try {
    await rm(filesOf(folder).request, { force: true });
    await rm(folder, { recursive: true, force: true });
  } catch {
    // The answer counts.
  }
};

export type Carry = (
  handed: Handed,
  io: { readonly signal: AbortSignal; readonly print: (text: string | Uint8Array) => void },
) => Promise<Ended>;

/**
 * Takes requests until the signal is aborted, and resolves once those in hand have ended. `carry` is called at once for
 * each; what must wait for its turn waits there.
 */
export const takeRequests = async (
  dataFolder: string,
  carry: Carry,
  signal: AbortSignal,
  { answerKeptMs = answerKeptMsDefault }: { readonly answerKeptMs?: number } = {},
): Promise<void> => {
  const requests = folderOf(dataFolder);
  await mkdir(requests, { recursive: true });
  /** What another user has left, and cannot be removed: it is never begun, and keeps no daemon from starting. */
  const left = new Set<string>();
  for (const id of await readdir(requests))
    await rm(join(requests, id), { recursive: true, force: true, maxRetries: 5 }).catch(() => left.add(id));
  const inHand = new Map<string, { readonly stop: AbortController; readonly done: Promise<void> }>();

  const answer = async (id: string, stop: AbortSignal): Promise<void> => {
    const files = filesOf(join(requests, id));
    failpoint('hand-over.taken');
    const output = createWriteStream(files.output);
    // Whoever asked may have gone and taken the folder along: then nobody reads this.
    output.on('error', () => undefined);
    const ended = await readFile(files.request, 'utf8')
      .then((text) => carry(JSON.parse(text) as Handed, { signal: stop, print: (text) => output.write(text) }))
      .catch((error: unknown): Ended => ({ code: 1, problem: messageOf(error) }));
    await finished(output.end()).catch(() => undefined);
    failpoint('hand-over.carried');
    await tell(id, ended);
  };
  /** Says how the request ended, and knows it until it is gone: it must not be taken for a new one. */
  const tell = async (id: string, ended: Ended): Promise<void> => {
    const folder = join(requests, id);
    const files = filesOf(folder);
    const leftAt = performance.now() + answerKeptMs;
    for (let told = false; existsSync(files.request); ) {
      told ||= await writeWhole(files.ended, ended).then(
        () => true,
        () => false,
      );
      failpoint('hand-over.answered');
      if (signal.aborted) return;
      if (performance.now() > leftAt) await leave(folder);
      await sleep(lookEveryMs);
    }
    inHand.delete(id);
  };
  const look = async (): Promise<void> => {
    for (const id of await readdir(requests)) {
      const files = filesOf(join(requests, id));
      const known = inHand.get(id);
      if (known && existsSync(files.cancel)) known.stop.abort();
      if (known || left.has(id) || !existsSync(files.request)) continue;
      const stop = new AbortController();
      if (existsSync(files.cancel)) stop.abort();
      const done = answer(id, AbortSignal.any([signal, stop.signal]));
      inHand.set(id, { stop, done });
    }
  };
  await every(lookEveryMs, look, signal, () => undefined);
  await Promise.all([...inHand.values()].map(({ done }) => done));
};

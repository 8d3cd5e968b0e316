import type { CycleResult } from '../cycle/cycle.ts';
import { recall } from '../cycle/memory.ts';
import { type Carry, type Ended, takeRequests } from '../data-folder/hand-over.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import {
  ConfigError,
  DamageError,
  exitCode,
  exitCodeFor,
  FatalError,
  messageOf,
  problemOf,
  StoppedError,
} from '../errors.ts';
import { every } from '../sources/every.ts';
import { catalogue, nameOf, settingsOf } from './catalogue.ts';
import { consumeInto } from './consuming.ts';
import { bucketOf, type Context } from './context.ts';
import { openSource, sourceNameOf, tellUnread } from './sources.ts';
import { incrementalSync, initialSync } from './sync.ts';

/** Undefined where a stop comes first: what runs until it is stopped has ended as it should. */
const openUnlessStopped = (context: Context): Promise<Workspace | undefined> =>
  context.openWorkspace().catch((error: unknown) => {
    if (error instanceof StoppedError) return undefined;
    throw error;
  });

/** Consumes, appends and projects until it is stopped. */
export const runSubscribe = async (context: Context): Promise<number> => {
  const name = sourceNameOf(context.config);
  if (name === undefined) throw new ConfigError('there is no source to subscribe to');
  const bucket = context.config.optional('CUSTOMER_S3_BUCKET') ? bucketOf(context) : undefined;
  const workspace = await openUnlessStopped(context);
  if (!workspace) return exitCode.done;
  try {
    const source = await openSource(context, name);
    tellUnread(context);
    context.logger.info({ source: name, checkpoint: workspace.projector.meta().checkpoint }, 'subscribed');
    const consumed = await consumeInto(context, workspace, source, bucket ? { bucket } : {});
    context.logger.info(consumed, 'stopped');
    return exitCode.done;
  } finally {
    bucket?.close();
    await workspace.close();
  }
};

/** Runs one piece of work after another, in the order in which they were given. */
const createTurns = (): (<T>(work: () => Promise<T>) => Promise<T>) => {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
};

/** Carries out a command that was handed over, with the daemon's own log and projections. */
const carry =
  (daemon: Context, workspace: Workspace): Carry =>
  async ({ command, words, flags }, { signal, print }) => {
    const entry = catalogue.find((one) => nameOf(one) === command);
    if (!entry?.handedOver) throw new FatalError(`the daemon cannot carry out ${JSON.stringify(command)}`);
    daemon.logger.info({ command, words }, 'a command was handed over');
    try {
      const config = daemon.config.with(settingsOf(entry, flags));
      const lent: Workspace = { ...workspace, close: async () => undefined };
      const context: Context = { ...daemon, command, config, signal, print, openWorkspace: async () => lent };
      return { code: await entry.run(context, words, flags) };
    } catch (error) {
      return { code: exitCodeFor(error), problem: problemOf(error, signal) };
    }
  };

/** Has a request wait for its turn. One that is stopped before that is answered at once, and never begun. */
const inItsTurn =
  (inTurn: ReturnType<typeof createTurns>, carried: Carry): Carry =>
  async (handed, io) => {
    const { signal } = io;
    const unbegun: Ended = { code: exitCode.failed, problem: 'stopped before its turn came: nothing was done' };
    if (signal.aborted) return unbegun;
    const stopped = Promise.withResolvers<Ended>();
    const onStop = (): void => stopped.resolve(unbegun);
    signal.addEventListener('abort', onStop);
    const turn = inTurn(async () => {
      signal.removeEventListener('abort', onStop);
      return signal.aborted ? unbegun : carried(handed, io);
    });
    return Promise.race([turn, stopped.promise]);
  };

const isListed = async ({ log }: Workspace): Promise<boolean> => (await recall(log.database)).unlisted === false;

/**
 * One cycle, with a listing before it until there was a whole one. A listing that fails keeps nothing from being carried over
 * that is known already; the next cycle lists again.
 */
const syncOnce = async (context: Context, workspace: Workspace): Promise<CycleResult | undefined> => {
  const { logger, signal } = context;
  if (!(await isListed(workspace))) {
    logger.info({}, 'the bucket is listed first: it is not known to have been listed as a whole');
    try {
      return (await initialSync(context, workspace, {})).cycle;
    } catch (error) {
      const isOfListing = !(error instanceof DamageError || signal.aborted || (await isListed(workspace)));
      if (!isOfListing || (await workspace.log.last()) === 0) throw error;
      logger.error(
        { reason: messageOf(error) },
        'the bucket was not listed: what is known without that is carried over, the next cycle lists again',
      );
    }
  }
  return incrementalSync(context, workspace, { drain: false });
};

/**
 * Subscribes, and runs a cycle every interval; begins with an initial sync until the bucket is known to have been listed as
 * a whole: what no listing reached would come by no event. Commands that are handed over and cycles take turns, so that no
 * two of them plan from the same state. A cycle that fails is tried again, whatever it was, but where log or projections are
 * damaged: that ends the daemon.
 */
export const runDaemon = async (context: Context): Promise<number> => {
  const { config, logger, signal } = context;
  const name = sourceNameOf(config);
  const workspace = await openUnlessStopped(context);
  if (!workspace) return exitCode.done;
  const bucket = bucketOf(context);
  const stopping = new AbortController();
  const until = AbortSignal.any([signal, stopping.signal]);
  const within: Context = { ...context, signal: until };
  let damage: DamageError | undefined;
  /** Works with log and projections until it has ended. */
  let inHand: Promise<unknown> = Promise.resolve();
  const onError = (error: unknown): void => {
    if (error instanceof DamageError) {
      damage = error;
      return stopping.abort();
    }
    // What a stop breaks off has not failed.
    if (!until.aborted) logger.error({ reason: messageOf(error) }, 'cycle failed, the next one tries again');
  };
  const cycle = async (): Promise<void> => {
    const report = (await syncOnce(within, workspace))?.report;
    logger.info(
      {
        status: report?.status,
        plan: report?.plan,
        operations: report?.operations,
        durationMs: report?.duration_ms,
        held: report?.held,
      },
      'cycle ended',
    );
  };
  try {
    const inTurn = createTurns();
    const carried = carry(within, workspace);
    const requests = takeRequests(config.paths.data, inItsTurn(inTurn, carried), until);
    const cycles = every(config.number('SYNC_INTERVAL') * 1000, () => inTurn(cycle), until, onError);
    inHand = Promise.allSettled([cycles, requests]);
    // A daemon that takes no requests would keep everybody waiting who hands one over.
    requests.catch(() => stopping.abort());
    if (name) {
      const source = await openSource(within, name);
      tellUnread(context);
      logger.info({ source: name }, 'subscribed');
      await consumeInto(within, workspace, source, { bucket });
    } else logger.warn({}, 'no source is configured: cycles only');
    if (name) stopping.abort();
    await Promise.all([cycles, requests]);
    if (damage) throw damage;
    return exitCode.done;
  } finally {
    stopping.abort();
    await inHand;
    bucket.close();
    await workspace.close();
  }
};

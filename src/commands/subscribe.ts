import { openWorkspace } from '../data-folder/workspace.ts';
import { ConfigError, exitCode, messageOf } from '../errors.ts';
import { every } from '../sources/every.ts';
import { consumeInto } from './consuming.ts';
import { bucketOf, type Context, requireBothSides } from './context.ts';
import { openSource, type SourceName, sourceNameOf } from './sources.ts';
import { incrementalSync, initialSync } from './sync.ts';

const requireSource = (context: Context, named?: string): SourceName => {
  const name = sourceNameOf(context, named);
  if (name) return name;
  throw new ConfigError(
    `'s3-sync ${context.command}' needs a source: set PUBSUB_SUBSCRIPTION, SQS_QUEUE_URL or HTTP_PORT`,
  );
};

/** Consumes, appends and projects until it is stopped. */
export const runSubscribe = async (context: Context, flags: { source?: string }): Promise<number> => {
  const name = requireSource(context, flags.source);
  const bucket = context.config.optional('CUSTOMER_S3_BUCKET') ? bucketOf(context) : undefined;
  const workspace = await openWorkspace(context.config, context.command);
  try {
    const source = await openSource(context, name);
    context.logger.info({ source: name, checkpoint: workspace.projector.meta().checkpoint }, 'subscribed');
    const consumed = await consumeInto(context, workspace, source, bucket ? { bucket } : {});
    context.logger.info(consumed, 'stopped');
    return exitCode.done;
  } finally {
    bucket?.close();
    await workspace.close();
  }
};

/** Subscribes, and runs a cycle every interval; begins with an initial sync when nothing was ever recorded. */
export const runDaemon = async (context: Context, flags: { interval?: string; source?: string }): Promise<number> => {
  requireBothSides(context);
  const { config, logger, signal } = context;
  const name = sourceNameOf(context, flags.source);
  const workspace = await openWorkspace(config, context.command);
  const bucket = bucketOf(context);
  const stopping = new AbortController();
  const until = AbortSignal.any([signal, stopping.signal]);
  const within: Context = { ...context, signal: until };
  const onError = (error: unknown): void =>
    logger.error({ reason: messageOf(error) }, 'cycle failed, the next one tries again');
  const cycle = async (): Promise<void> => {
    const first = workspace.projector.meta().checkpoint === 0;
    const result = first
      ? await initialSync(within, workspace, {})
      : await incrementalSync(within, workspace, { drain: false });
    const report = result?.report;
    logger.info(
      { status: report?.status, operations: report?.operations, durationMs: report?.duration_ms, held: report?.held },
      'cycle ended',
    );
  };
  try {
    const cycles = every(config.number('SYNC_INTERVAL') * 1000, cycle, until, onError);
    if (name) {
      const source = await openSource(within, name);
      logger.info({ source: name }, 'subscribed');
      await consumeInto(within, workspace, source, { bucket });
    } else logger.warn({}, 'no source is configured: cycles only');
    if (name) stopping.abort();
    await cycles;
    return exitCode.done;
  } finally {
    stopping.abort();
    bucket.close();
    await workspace.close();
  }
};

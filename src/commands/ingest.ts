import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Format, formats } from '../../events/decode.ts';
import { unwrapLine } from '../../events/lines.ts';
import { ConfigError, exitCode, FatalError } from '../errors.ts';
import { createFileSource } from '../sources/file.ts';
import { consumeInto } from './consuming.ts';
import { bucketOf, type Context } from './context.ts';
import { createProgress } from './progress.ts';

/** A readable stream of a file, or of standard input for `-`. Throws FatalError when there is no such file. */
export const inputOf = async (file: string): Promise<NodeJS.ReadableStream> => {
  if (file === '-') return process.stdin;
  const facts = await stat(file).catch((error: unknown) => {
    throw new FatalError(`cannot read ${file}: there is no such file`, { cause: error });
  });
  if (!facts.isFile()) throw new FatalError(`cannot read ${file}: it is no file`);
  return createReadStream(file);
};

/** Reads events from a file into the log, as if a broker had delivered them. */
export const runIngest = async (
  context: Context,
  file: string,
  flags: { format?: string; json?: boolean },
): Promise<number> => {
  const format = formats.find((name) => name === (flags.format ?? 'auto')) as Format | undefined;
  if (!format)
    throw new ConfigError(`--format: expected one of ${formats.join(', ')}, found ${JSON.stringify(flags.format)}`);
  const stream = await inputOf(file);
  const workspace = await context.openWorkspace();
  const bucket = context.config.optional('CUSTOMER_S3_BUCKET') ? bucketOf(context) : undefined;
  try {
    const source = createFileSource({ stream, name: file === '-' ? 'stdin' : file, toMessage: unwrapLine });
    const progress = createProgress(context.logger, 'reading events', 'messages');
    const consumed = await consumeInto(context, workspace, source, {
      format,
      ...(bucket && { bucket }),
      onProgress: ({ messages }) => progress(messages),
    });
    const { checkpoint, stats } = workspace.projector.meta();
    if (flags.json) context.print(`${JSON.stringify({ ...consumed, offset: checkpoint, files: stats.files })}\n`);
    else {
      context.print(
        `${consumed.messages} messages: ${consumed.appended} new events, ${consumed.duplicates} duplicates, ${consumed.ignored} ignored, ${consumed.quarantined} in quarantine\nLog offset ${checkpoint}, ${stats.files} files\n`,
      );
    }
    return exitCode.done;
  } finally {
    bucket?.close();
    await workspace.close();
  }
};

import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { type Format, formats } from '../../events/decode.ts';
import { unwrapLine } from '../../events/lines.ts';
import type { Message } from '../../events/message.ts';
import { ConfigError, codeOf, exitCode, FatalError, messageOf } from '../errors.ts';
import { createFileSource } from '../sources/file.ts';
import { counted } from '../text.ts';
import { consumeInto } from './consuming.ts';
import { bucketOf, type Context } from './context.ts';
import { createProgress } from './progress.ts';

/** A readable stream of a file, or of standard input for `-`. Throws FatalError when the file cannot be read. */
export const inputOf = async (file: string): Promise<NodeJS.ReadableStream> => {
  if (file === '-') return process.stdin;
  const handle = await open(file).catch((error: unknown) => {
    const reason = codeOf(error) === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw new FatalError(`cannot read ${file}: ${reason}`, { cause: error });
  });
  if ((await handle.stat()).isDirectory()) {
    await handle.close();
    throw new FatalError(`cannot read ${file}: it is a folder`);
  }
  return handle.createReadStream();
};

/** Bytes that are no text stay as they are, so that quarantine keeps what the file held. */
const messageOfLine = (line: Buffer): Message =>
  isUtf8(line) ? unwrapLine(line.toString('utf8')) : { body: line, attributes: {} };

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
    const source = createFileSource({ stream, name: file === '-' ? 'stdin' : file, toMessage: messageOfLine });
    const progress = createProgress(context.logger, 'reading events', 'messages');
    const consumed = await consumeInto(context, workspace, source, {
      format,
      ...(bucket && { bucket }),
      oneShot: true,
      onProgress: ({ messages }) => progress(messages),
    });
    const { checkpoint, stats } = workspace.projector.meta();
    if (flags.json) context.print(`${JSON.stringify({ ...consumed, offset: checkpoint, files: stats.files })}\n`);
    else {
      const { messages, appended, duplicates, ignored, quarantined } = consumed;
      context.print(
        `${counted(messages, 'message')}: ${counted(appended, 'new event')}, ${counted(duplicates, 'duplicate')}, ${ignored} ignored, ${counted(quarantined, 'message')} in quarantine\nLog offset ${checkpoint}, ${counted(stats.files, 'file')}\n`,
      );
    }
    if (context.signal.aborted)
      throw new FatalError(
        `stopped before the end of ${file}: ingest it again, what is in the log already has no second effect`,
      );
    if (consumed.waiting > 0)
      throw new FatalError(
        `${counted(consumed.waiting, `message of ${file} was`, `messages of ${file} were`)} not taken in: ${consumed.waitingFor}; ingest it again when the bucket can be asked, what is in the log already has no second effect`,
      );
    if (consumed.refused === 0) return exitCode.done;
    throw new FatalError(
      `quarantine is full: ${counted(consumed.refused, `message of ${file} is not understood and was`, `messages of ${file} are not understood and were`)} not kept; see 's3-sync quarantine list', retry or drop some, then ingest the file again (what is in the log already has no second effect)`,
    );
  } finally {
    bucket?.close();
    await workspace.close();
  }
};

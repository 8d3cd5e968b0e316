import { isUtf8 } from 'node:buffer';
import { unwrapLine } from '../../events/lines.ts';
import type { Message } from '../../events/message.ts';
import type { Bucket } from '../bucket/bucket.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import { ConfigError, exitCode, FatalError } from '../errors.ts';
import { harmless, harmlessLine } from '../harmless.ts';
import { type Intake, takeIn } from '../intake/intake.ts';
import {
  dropQuarantined,
  insistQuarantined,
  listQuarantined,
  type Quarantined,
  quarantineLimits,
  quarantineRoom,
  type Room,
  readQuarantined,
} from '../log/quarantine.ts';
import { isCutOff } from '../sources/file.ts';
import type { Queries } from '../storage/database.ts';
import { counted } from '../text.ts';
import { bucketOf, type Context, permissionSources } from './context.ts';
import { openExistingLog } from './replay.ts';

/** JSON in which control characters beyond ASCII are escaped too: it is still the same JSON. */
const harmlessJson = (value: unknown): string =>
  JSON.stringify(value).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
      .join(''),
  );

const allIds = async (database: Queries): Promise<number[]> => {
  const ids: number[] = [];
  for (;;) {
    const page = await listQuarantined(database, ids.at(-1) ?? 0, 1_000);
    if (page.length === 0) return ids;
    ids.push(...page.map(({ id }) => id));
  }
};

/** The messages that are named; undefined for all of them. Whoever names some and says all meant one of the two. */
const namedBy = (ids: readonly string[], all: boolean): readonly number[] | undefined => {
  if (all === ids.length > 0)
    throw new ConfigError(`name the messages by their ids, or use --all${all ? ', not both' : ''}`);
  return all ? undefined : [...new Set(ids.map(idOf))];
};

const idOf = (id: string): number => {
  if (/^\d{1,15}$/.test(id)) return Number(id);
  throw new ConfigError(`${JSON.stringify(id)} is no id: 's3-sync quarantine list' shows them`);
};

const roomLine = ({ entries, bytes, full }: Room): string => {
  const { entriesMax, bytesMax } = quarantineLimits;
  const held = `${entries} of at most ${entriesMax} messages, ${bytes} of at most ${bytesMax} bytes`;
  return full
    ? `${held}: FULL, others that are not understood stay with their broker; retry or drop some\n`
    : `${held}\n`;
};

export const runQuarantineList = async (context: Context, flags: { json?: boolean }): Promise<number> => {
  const log = await openExistingLog(context.config);
  try {
    for (let after = 0; ; ) {
      const page = await listQuarantined(log.database, after);
      for (const { id, source, reason, times, last_received_at, delivery_id } of page) {
        context.print(
          flags.json
            ? `${harmlessJson({ id, source, delivery_id, reason, times, last_received_at })}\n`
            : `${String(id).padStart(6)}  ${last_received_at}  ${harmlessLine(`${source} ${delivery_id}`)}${times > 1 ? ` (${times} times)` : ''}\n        ${harmlessLine(reason)}\n`,
        );
      }
      if (page.length === 0) {
        const room = await quarantineRoom(log.database);
        if (!flags.json) context.print(room.entries === 0 ? 'Quarantine is empty\n' : roomLine(room));
        return exitCode.done;
      }
      after = page.at(-1)?.id ?? after;
    }
  } finally {
    await log.close();
  }
};

export const runQuarantineShow = async (context: Context, id: string, flags: { json?: boolean }): Promise<number> => {
  const log = await openExistingLog(context.config);
  try {
    const entry = await readQuarantined(log.database, idOf(id));
    // Bytes that are no text are shown as what they are, not as replacement characters.
    const isText = isUtf8(entry.body);
    const text = isText ? { body: entry.body.toString('utf8') } : { body_base64: entry.body.toString('base64') };
    if (flags.json) context.print(`${harmlessJson({ ...entry, body: undefined, ...text })}\n`);
    else {
      context.print(
        `id        ${entry.id}\nsource    ${harmlessLine(`${entry.source} ${entry.delivery_id}`)}\nreceived  ${entry.received_at}, ${counted(entry.times, 'time')}, last ${entry.last_received_at}\n${entry.format === null ? '' : `format    ${entry.format}\n`}reason    ${harmlessLine(entry.reason)}\nattributes ${harmlessLine(entry.attributes)}\n\n${isText ? harmless(entry.body.toString('utf8')) : `not UTF-8, in base64:\n${text.body_base64}`}\n`,
      );
    }
    return exitCode.done;
  } finally {
    await log.close();
  }
};

const messageOfEntry = ({ attributes: text, body }: Quarantined): Message => {
  const attributes = JSON.parse(text) as Record<string, string>;
  // Bytes that are no text must not become one on the way.
  return Object.keys(attributes).length > 0 || !isUtf8(body) ? { body, attributes } : unwrapLine(body.toString('utf8'));
};

type Selection = { readonly all?: boolean; readonly json?: boolean };

/** Does its work on the messages that are named, or on all of them. The words are judged before the log is looked for. */
const onMessages = async (
  context: Context,
  ids: readonly string[],
  flags: Selection,
  work: (workspace: Workspace, messages: readonly number[]) => Promise<void>,
): Promise<number> => {
  const named = namedBy(ids, flags.all === true);
  await (await openExistingLog(context.config)).close();
  const workspace = await context.openWorkspace();
  try {
    await work(workspace, named ?? (await allIds(workspace.log.database)));
    return exitCode.done;
  } finally {
    await workspace.close();
  }
};

/** Takes one message in as it was delivered. */
const takeAgain = (
  context: Context,
  workspace: Workspace,
  bucket: Bucket | undefined,
  entry: Quarantined,
): Promise<Intake> => {
  const message = messageOfEntry(entry);
  const delivery = {
    deliveryId: entry.delivery_id,
    message,
    // The beginning of a line may read as a message that was never sent.
    ...(isCutOff(message) && { unreadable: entry.reason }),
  };
  const { log, projector } = workspace;
  return takeIn([delivery], {
    log,
    sourceName: entry.source,
    ...(bucket && { bucket, bucketName: context.config.text('CUSTOMER_S3_BUCKET') }),
    ...(entry.format !== null && { format: entry.format }),
    permissions: permissionSources(context, workspace),
    // What the messages before this one told is not folded yet.
    views: { all: projector.database.all, settled: async () => void (await projector.catchUp()) },
    retried: true,
  });
};

/** Takes messages in again, after a fix or an upgrade; what is still not understood stays. */
export const runQuarantineRetry = async (context: Context, ids: readonly string[], flags: Selection): Promise<number> =>
  onMessages(context, ids, flags, async (workspace, messages) => {
    const { log, projector } = workspace;
    await insistQuarantined(log.database, messages);
    const bucket = context.config.optional('CUSTOMER_S3_BUCKET') === undefined ? undefined : bucketOf(context);
    try {
      let understood = 0;
      let away: string | undefined;
      for (const id of messages) {
        if (context.signal.aborted)
          throw new FatalError(
            `stopped: ${counted(understood, 'message is', 'messages are')} understood now, run it again for the others`,
          );
        const intake = await takeAgain(context, workspace, bucket, await readQuarantined(log.database, id));
        // One bad record of several keeps the whole message: its good ones are in the log, and were duplicates.
        if (intake.waitingFor !== undefined) away = intake.waitingFor;
        if (intake.quarantined > 0 || intake.refused.length > 0 || intake.waiting.length > 0) continue;
        await dropQuarantined(log.database, [id]);
        understood += 1;
      }
      await projector.catchUp();
      const left = messages.length - understood;
      context.print(
        flags.json
          ? `${harmlessJson({ messages: messages.length, understood, left, waiting_for: away ?? null })}\n`
          : `${understood} of ${messages.length} messages are understood now, ${left} stay\n`,
      );
      if (away !== undefined) throw new FatalError(`some of them wait for the bucket: ${away}`);
    } finally {
      bucket?.close();
    }
  });

export const runQuarantineDrop = async (context: Context, ids: readonly string[], flags: Selection): Promise<number> =>
  onMessages(context, ids, flags, async ({ log }, messages) => {
    await dropQuarantined(log.database, messages);
    const dropped = messages.length;
    context.print(flags.json ? `${JSON.stringify({ dropped })}\n` : `${counted(dropped, 'message')} dropped\n`);
  });

import { unwrapLine } from '../../events/lines.ts';
import { exitCode, FatalError } from '../errors.ts';
import { takeIn } from '../intake/intake.ts';
import { dropQuarantined, listQuarantined, type Quarantined, readQuarantined } from '../log/quarantine.ts';
import { bucketOf, type Context, permissionSources } from './context.ts';
import { openExistingLog } from './replay.ts';

/** Control characters made visible, so that a message cannot steer the terminal that shows it. */
export const harmless = (text: string): string =>
  text.replace(/[^\P{C}\n]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);

const idsOf = async (context: Context, ids: readonly string[], all: boolean): Promise<number[]> => {
  if (!all && ids.length === 0) throw new FatalError('name the messages by their ids, or use --all');
  for (const id of ids)
    if (!/^\d{1,15}$/.test(id))
      throw new FatalError(`${JSON.stringify(id)} is no id: 's3-sync quarantine list' shows them`);
  if (!all) return ids.map(Number);
  const log = await openExistingLog(context.config);
  try {
    return (await listQuarantined(log.database, 0, 100_000)).map((entry) => entry.id);
  } finally {
    await log.close();
  }
};

export const runQuarantineList = async (context: Context, flags: { json?: boolean }): Promise<number> => {
  const log = await openExistingLog(context.config);
  try {
    for (let after = 0; ; ) {
      const page = await listQuarantined(log.database, after);
      for (const { id, source, reason, times, last_received_at, delivery_id } of page) {
        context.print(
          flags.json
            ? `${JSON.stringify({ id, source, delivery_id, reason, times, last_received_at })}\n`
            : `${String(id).padStart(6)}  ${last_received_at}  ${source}${times > 1 ? ` (${times} times)` : ''}\n        ${harmless(reason)}\n`,
        );
      }
      if (page.length === 0) {
        if (after === 0 && !flags.json) context.print('Quarantine is empty\n');
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
    const entry = await readQuarantined(log.database, Number(id));
    const body = entry.body.toString('utf8');
    if (flags.json) context.print(`${JSON.stringify({ ...entry, body })}\n`);
    else {
      context.print(
        `id        ${entry.id}\nsource    ${entry.source} ${harmless(entry.delivery_id)}\nreceived  ${entry.received_at}, ${entry.times} times, last ${entry.last_received_at}\nreason    ${harmless(entry.reason)}\nattributes ${harmless(entry.attributes)}\n\n${harmless(body)}\n`,
      );
    }
    return exitCode.done;
  } finally {
    await log.close();
  }
};

const messageOfEntry = (entry: Quarantined) => {
  const attributes = JSON.parse(entry.attributes) as Record<string, string>;
  return Object.keys(attributes).length > 0
    ? { body: entry.body, attributes }
    : unwrapLine(entry.body.toString('utf8'));
};

/** Takes messages in again, after a fix or an upgrade; what is still not understood stays. */
export const runQuarantineRetry = async (
  context: Context,
  ids: readonly string[],
  flags: { all?: boolean },
): Promise<number> => {
  const wanted = await idsOf(context, ids, flags.all === true);
  const workspace = await context.openWorkspace();
  const name = context.config.optional('CUSTOMER_S3_BUCKET');
  const bucket = name === undefined ? undefined : bucketOf(context);
  try {
    let understood = 0;
    for (const id of wanted) {
      const entry = await readQuarantined(workspace.log.database, id);
      const delivery = { deliveryId: entry.delivery_id, message: messageOfEntry(entry) };
      const intake = await takeIn([delivery], {
        log: workspace.log,
        sourceName: entry.source,
        ...(name !== undefined && { bucketName: name }),
        ...(bucket && { bucket }),
        permissions: permissionSources(context, workspace),
      });
      if (intake.appended + intake.duplicates + intake.ignored === 0) continue;
      await dropQuarantined(workspace.log.database, id);
      understood += 1;
    }
    await workspace.projector.catchUp();
    context.print(
      `${understood} of ${wanted.length} messages are understood now, ${wanted.length - understood} stay\n`,
    );
    return exitCode.done;
  } finally {
    bucket?.close();
    await workspace.close();
  }
};

export const runQuarantineDrop = async (
  context: Context,
  ids: readonly string[],
  flags: { all?: boolean },
): Promise<number> => {
  const wanted = await idsOf(context, ids, flags.all === true);
  const workspace = await context.openWorkspace();
  try {
    for (const id of wanted) await dropQuarantined(workspace.log.database, id);
    context.print(`${wanted.length} messages dropped\n`);
    return exitCode.done;
  } finally {
    await workspace.close();
  }
};

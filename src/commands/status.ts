import { setTimeout as sleep } from 'node:timers/promises';
import { exitCode } from '../errors.ts';
import { harmless } from '../harmless.ts';
import { furthestTime } from '../intake/ahead.ts';
import { readStatus, type Status } from '../status/status.ts';
import { beside } from './columns.ts';
import type { Context } from './context.ts';
import { bytesText } from './summary.ts';

const watchEveryMs = 2_000;

const counted = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${count} ${name.replaceAll('_', ' ')}`)
    .join(', ') || 'none yet';

const unreadableLines = ({ unreadable, superseded, last_cycle: cycle }: Status): string[] => {
  const [next] = unreadable.first;
  const [late] = superseded.first;
  return [
    ...(next
      ? [
          `Unreadable   ${unreadable.objects} objects, next try ${next.next_at}:`,
          `             ${JSON.stringify(next.path)} (${next.tries} tries): ${next.reason}`,
        ]
      : []),
    ...(late
      ? [
          `Superseded   ${superseded.objects} objects changed, and no event has said so yet;`,
          `             next try ${late.next_at}: ${JSON.stringify(late.path)} (${late.tries} tries)`,
        ]
      : []),
    ...(cycle?.unverified ? [`Unverified   ${cycle.unverified} files of the last cycle, but for their length`] : []),
  ];
};

const aheadLines = ({ log: { newest_event_at: newest } }: Status): string[] =>
  newest !== null && newest > furthestTime()
    ? [
        beside(
          'Ahead        ',
          `events are dated up to ${newest}: later changes of the same paths have no effect before then; see 'reconcile'`,
        ),
      ]
    : [];

const unclaimedLines = ({ reports_unclaimed: { reports, folders } }: Status): string[] =>
  reports === 0
    ? []
    : [
        beside(
          'Unclaimed    ',
          `${reports} reports for endpoints that are not configured; set their addresses again, or delete ${folders.join(', ')}`,
        ),
      ];

export const statusText = (status: Status): string => {
  const { log, projections, records, last_cycle: cycle, gate, other_file_manager: other } = status;
  const lines = [
    `Data folder  ${status.data_dir}`,
    `Event log    offset ${log.last_offset}, last event ${log.last_event_at ?? 'none yet'}`,
    ...aheadLines(status),
    beside('Events       ', counted(status.events)),
    `Projections  offset ${projections.checkpoint}, ${projections.lag_events} events behind`,
    `Bucket       ${records.files} files, ${bytesText(records.bytes)}`,
    `File manager ${records.mirror_files} files, ${bytesText(records.mirror_bytes)}; ${records.dirty} paths differ`,
    ...(other
      ? [
          beside('             ', `ANOTHER ADDRESS than ${harmless(other.before)}, where that was confirmed: if it is`),
          "             another file manager, run 's3-sync reconcile --file-manager'",
        ]
      : []),
    beside('Operations   ', counted(status.operations)),
    cycle
      ? beside(
          'Last cycle   ',
          `${cycle.status}, ${(cycle.duration_ms / 1000).toFixed(1)} s, ended ${cycle.finished_at}, ${status.errors.last_cycle} errors`,
        )
      : 'Last cycle   none yet',
    ...(cycle?.status === 'failed' ? [`             ${harmless(cycle.stopped ?? '')}`] : []),
    ...unreadableLines(status),
    beside(
      'Quarantine   ',
      `${log.quarantine} messages${log.quarantine_full ? ', FULL: others that are not understood stay with their broker; retry or drop some' : ''}`,
    ),
    `Reports      ${status.reports_waiting} waiting to be delivered`,
    ...unclaimedLines(status),
  ];
  for (const { id, reasons } of gate.held_plans)
    lines.push(beside('Gate         ', `HOLDS plan ${id}: ${reasons.join('; ')}`));
  if (gate.held_plans.length === 0) lines.push('Gate         open');
  return `${lines.join('\n')}\n`;
};

/** Shows the status once, or again and again until it is stopped. */
export const runStatus = async (context: Context, flags: { json?: boolean; watch?: boolean }): Promise<number> => {
  for (;;) {
    const status = await readStatus(context.config);
    const clear = flags.watch && process.stdout.isTTY ? '\x1b[2J\x1b[H' : '';
    context.print(clear + (flags.json ? `${JSON.stringify(status)}\n` : statusText(status)));
    if (!flags.watch || context.signal.aborted) return exitCode.done;
    await sleep(watchEveryMs, undefined, { signal: context.signal }).catch(() => undefined);
    if (context.signal.aborted) return exitCode.done;
  }
};

import { setTimeout as sleep } from 'node:timers/promises';
import type { UnreadableSummary } from '../cycle/unreadable.ts';
import { exitCode, nameOfHolder } from '../errors.ts';
import { harmlessLine } from '../harmless.ts';
import { furthestTime } from '../intake/ahead.ts';
import { readStatus, type Status } from '../status/status.ts';
import { beside, counted, listed } from '../text.ts';
import type { Context } from './context.ts';
import { bytesText } from './summary.ts';

const watchEveryMs = 2_000;

/** How many wait, and what is tried next and why it waits. */
const waitingLines = (name: string, what: string, { objects, first: [next] }: UnreadableSummary): string[] =>
  next
    ? [
        `${name.padEnd(12)} ${counted(objects, what)}, next try ${next.next_at}:`,
        beside('             ', harmlessLine(`${next.path} (${counted(next.tries, 'try', 'tries')}): ${next.reason}`)),
      ]
    : [];

const unreadableLines = ({ unreadable, superseded, unanswered, last_cycle: cycle }: Status): string[] => {
  const [late] = superseded.first;
  return [
    ...waitingLines('Unreadable', 'object', unreadable),
    ...waitingLines('Unanswered', 'path', unanswered),
    ...(late
      ? [
          `Superseded   ${counted(superseded.objects, 'object is', 'objects are')} not in the bucket as the newest event says;`,
          beside(
            '             ',
            `next try ${late.next_at}: ${harmlessLine(late.path)} (${counted(late.tries, 'try', 'tries')})`,
          ),
        ]
      : []),
    ...(cycle?.unverified
      ? [`Unverified   ${counted(cycle.unverified, 'file')} of the last cycle, but for the length`]
      : []),
  ];
};

const aheadLines = ({ log: { newest_event_at: newest } }: Status): string[] =>
  newest !== null && newest > furthestTime()
    ? [
        beside(
          'Ahead        ',
          `events are dated up to ${newest}: until then later changes of the same paths have no effect. Set the producer's clock right, then run 's3-sync reconcile', and again now and then until that time`,
        ),
      ]
    : [];

const unclaimedLines = ({ reports_unclaimed: { reports, folders } }: Status): string[] =>
  reports === 0
    ? []
    : [
        beside(
          'Unclaimed    ',
          `${counted(reports, 'report')} for endpoints that are not configured; set their addresses again, or delete ${folders.join(', ')}`,
        ),
      ];

/** Why the last cycle did not carry all over: what ended it early, or the first operation that failed; and what no disk can hold. */
const leftOverLines = ({ last_cycle: cycle }: Status): string[] => {
  const failed = cycle?.failures?.find(({ state }) => state === 'failed');
  const [blocked] = cycle?.unplaceable ?? [];
  const reasons = [
    cycle?.stopped ?? (failed && `${failed.kind} ${failed.path}: ${failed.reason}`),
    blocked && `${counted(cycle?.unplaceable.length ?? 0, 'file is', 'files are')} left out: ${blocked.reason}`,
  ];
  return reasons.flatMap((reason) => (reason ? [beside('             ', harmlessLine(reason))] : []));
};

const lostReport =
  'What that cycle did, and whether the gate held it, is not shown here: see the log; the next cycle leaves a report of its own';
const lostPlan =
  "Whether the gate holds that plan is not shown here: make it again with 's3-sync plan', or delete the file if none of that id comes";

const damagedLines = ({ reports_damaged: reports, plans_damaged: plans }: Status): string[] =>
  [
    ...reports.map((damaged) => ({ ...damaged, advice: lostReport })),
    ...plans.map((damaged) => ({ ...damaged, advice: lostPlan })),
  ].map(({ path, problem, advice }) =>
    beside('Damaged      ', `${harmlessLine(path)}: ${harmlessLine(problem)}. ${advice}`),
  );

/** Whether a daemon runs is asked first where nothing happens. */
const writerText = ({ writer }: Status): string => {
  if (writer === undefined) return 'not known: this user may not look at the lock';
  return writer === null ? 'none at this moment: no daemon runs here' : nameOfHolder(writer);
};

export const statusText = (status: Status): string => {
  const { log, projections, records, last_cycle: cycle, gate, other_file_manager: other } = status;
  const lines = [
    `Data folder  ${status.data_dir}`,
    `Writer       ${writerText(status)}`,
    log.exists
      ? `Event log    offset ${log.last_offset}, last event ${log.last_event_at ?? 'none yet'}`
      : beside(
          'Event log    ',
          `there is none at ${log.path} yet: 's3-sync initial-sync', 'ingest' or 'subscribe' make one, or check DATA_DIR and EVENT_LOG_PATH`,
        ),
    ...aheadLines(status),
    beside('Events       ', listed(status.events, 'none yet')),
    `Projections  offset ${projections.checkpoint}, ${counted(projections.lag_events, 'event')} behind`,
    beside(
      'Bucket       ',
      `${counted(records.files, 'file')}, ${bytesText(records.bytes)}${log.exists && !status.bucket_listed ? "; it was not listed as a whole yet: 's3-sync initial-sync' does that, and the daemon before each cycle" : ''}`,
    ),
    beside(
      'File manager ',
      `${counted(records.mirror_files, 'file')}, ${bytesText(records.mirror_bytes)}; ${counted(records.dirty, 'path differs', 'paths differ')}`,
    ),
    ...(other
      ? [
          beside(
            '             ',
            `ANOTHER ADDRESS than ${harmlessLine(other.before)}, where that was confirmed: if it is`,
          ),
          "             another file manager, run 's3-sync reconcile --file-manager'",
        ]
      : []),
    beside('Operations   ', listed(status.operations, 'none yet')),
    cycle
      ? beside(
          'Last cycle   ',
          `${cycle.status}, ${(cycle.duration_ms / 1000).toFixed(1)} s, ended ${cycle.finished_at}, ${counted(status.errors.last_cycle, 'error')}`,
        )
      : 'Last cycle   none yet',
    ...leftOverLines(status),
    ...damagedLines(status),
    ...unreadableLines(status),
    beside(
      'Quarantine   ',
      `${counted(log.quarantine, 'message')}${log.quarantine_full ? ', FULL: others that are not understood stay with their broker; retry or drop some' : ''}${log.quarantine > 0 ? "; 's3-sync quarantine list' tells why" : ''}`,
    ),
    `Reports      ${status.reports_waiting} waiting to be delivered`,
    ...unclaimedLines(status),
  ];
  for (const { id, reasons } of gate.held_plans)
    lines.push(
      beside('Gate         ', `HOLDS plan ${id}: ${harmlessLine(reasons.join('; '))}`),
      beside('             ', `look at it with 's3-sync plan', carry it out with 's3-sync apply ${id}'`),
    );
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
    if (context.signal.aborted || context.isRead?.() === false) return exitCode.done;
  }
};

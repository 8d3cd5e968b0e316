import { join } from 'node:path';
import type { Frontier } from '../../projections/file/frontier.ts';
import type { Config } from '../config/config.ts';
import { addressOf, type OtherAddress, otherAddress } from '../cycle/address.ts';
import { recall } from '../cycle/memory.ts';
import { readWaiting, type UnreadableSummary } from '../cycle/unreadable.ts';
import { writerNow } from '../data-folder/writer.ts';
import type { Holder } from '../errors.ts';
import { quarantineRoom } from '../log/quarantine.ts';
import { findLog } from '../log/read-log.ts';
import { insistNoFileAt } from '../make-folder.ts';
import { type DamagedPlan, readPlans } from '../plan/store.ts';
import { reportEndpoints } from '../report/endpoints.ts';
import { type Outbox, readOutbox } from '../report/outbox.ts';
import type { Report } from '../report/report.ts';
import { type DamagedReport, latestReports } from '../report/stored.ts';
import type { Queries } from '../storage/database.ts';
import { openProjections } from './projections.ts';

/** Everything that an operator asks first. Numbers count from the beginning of the log unless said otherwise. */
export type Status = {
  readonly data_dir: string;
  /** Who writes to the data folder at this moment, as far as it is known; null where nobody does; left out where this user may not know. */
  readonly writer?: Partial<Holder> | null;
  readonly log: {
    /** False where no event log is: nothing was ever recorded, or a path leads nowhere. */
    readonly exists: boolean;
    readonly path: string;
    readonly last_offset: number;
    /** Producer's time of the newest bucket event. */
    readonly last_event_at: string | null;
    /** The latest time that any event states; one beyond this machine's clock comes from a clock that was ahead. */
    readonly newest_event_at: string | null;
    readonly quarantine: number;
    readonly quarantine_full: boolean;
  };
  readonly projections: { readonly checkpoint: number; readonly lag_events: number };
  readonly records: {
    readonly files: number;
    readonly bytes: number;
    readonly mirror_files: number;
    readonly mirror_bytes: number;
    readonly dirty: number;
  };
  readonly events: Readonly<Record<string, number>>;
  /** Those that the file manager has confirmed, by kind. */
  readonly operations: Readonly<Record<string, number>>;
  /** Objects that are there and could not be read; those that are tried next. */
  readonly unreadable: UnreadableSummary;
  /** Objects that have changed or are gone, and the event that says so has not come yet. */
  readonly superseded: UnreadableSummary;
  /** Paths of operations about which the file manager said nothing: nothing is planned there until it does. */
  readonly unanswered: UnreadableSummary;
  /** False until the bucket was listed as a whole: what it held before its first event may be in no event. */
  readonly bucket_listed: boolean;
  /** Where `FILE_MANAGER_API_URL` is another address than the one at which the mirror was confirmed. */
  readonly other_file_manager: OtherAddress | null;
  /** The newest whose report can be read. */
  readonly last_cycle: Report | null;
  /** Newer ones that cannot be read: what those cycles did, and whether the gate held them, is not known here. */
  readonly reports_damaged: readonly DamagedReport[];
  /** Files of plans that hold none: whether the gate holds those plans is not known here. */
  readonly plans_damaged: readonly DamagedPlan[];
  readonly errors: { readonly last_cycle: number };
  readonly gate: {
    readonly held_plans: readonly {
      readonly id: string;
      readonly reasons: readonly string[];
      readonly since: string;
    }[];
  };
  /** Those that are delivered once their endpoint takes them. */
  readonly reports_waiting: number;
  /** Those that nobody delivers: their endpoint is not configured any more, or has another address; none where no endpoint is. */
  readonly reports_unclaimed: Outbox['unclaimed'];
};

const newestOf = (frontier: Frontier): string | null => {
  const newest = Object.values(frontier).reduce((latest, { time }) => (time > latest ? time : latest), '');
  return newest === '' ? null : `${newest.replace(/\.?0+$/, '')}Z`;
};

/** Operations that failed; a cycle that failed as a whole is one error itself. */
const errorsOf = ({ status, states }: Report): number =>
  (states.failed ?? 0) + (states.unreadable ?? 0) + (status === 'failed' ? 1 : 0);

/** Time of the last bucket event after an offset, which the projections stand at; what they say holds where there is none. */
const lastEventAfter = async (database: Pick<Queries, 'get'>, offset: number): Promise<string | undefined> =>
  (
    await database.get<{ time: string }>(
      `SELECT time FROM event WHERE "offset" > ? AND type <> 'outcome' ORDER BY "offset" DESC LIMIT 1`,
      [offset],
    )
  )?.time;

/** Reads the status beside a running writer; keeps no lock and asks no server. */
export const readStatus = async (config: Config): Promise<Status> => {
  const { data, log: logPath, projections: projectionsPath } = config.paths;
  await insistNoFileAt(data, 'DATA_DIR');
  // Beside the rest, since it takes a while.
  const looking = writerNow(data);
  const log = await findLog(logPath);
  try {
    const last = (await log?.last()) ?? 0;
    const live = log && (await openProjections(projectionsPath, log));
    const stats = live?.meta.stats;
    const quarantine = log && (await quarantineRoom(log.database));
    const dirty = (await live?.database.get<{ dirty: number }>('SELECT count(*) AS dirty FROM dirty'))?.dirty ?? 0;
    const none = { objects: 0, first: [] };
    const unreadable = live ? await readWaiting(live.database, 'unreadable') : none;
    const superseded = live ? await readWaiting(live.database, 'superseded') : none;
    const unanswered = live ? await readWaiting(live.database, 'unanswered') : none;
    await live?.database.close();
    const url = config.optional('FILE_MANAGER_API_URL');
    const memory = log && (await recall(log.database));
    const other = memory && url ? otherAddress(memory, addressOf(url)) : undefined;
    // What was held before a cycle that failed is held still.
    const { last: report, judged, damaged } = await latestReports(join(data, 'cycles'));
    const { plans, damaged: plansDamaged } = await readPlans(join(data, 'plans'));
    const held = plans.filter((plan) => plan.held.length > 0);
    const outbox = await readOutbox(join(data, 'outbox'), reportEndpoints(config));
    const checkpoint = live?.meta.checkpoint ?? 0;
    const writer = await looking;
    return {
      data_dir: data,
      ...(writer !== undefined && { writer }),
      log: {
        exists: log !== undefined,
        path: logPath,
        last_offset: last,
        last_event_at: (log && (await lastEventAfter(log.database, checkpoint))) ?? stats?.lastEventAt ?? null,
        newest_event_at: live ? newestOf(live.meta.fileFold.frontier) : null,
        quarantine: quarantine?.entries ?? 0,
        quarantine_full: quarantine?.full ?? false,
      },
      projections: { checkpoint, lag_events: Math.max(0, last - checkpoint) },
      records: {
        files: stats?.files ?? 0,
        bytes: stats?.bytes ?? 0,
        mirror_files: stats?.mirrorFiles ?? 0,
        mirror_bytes: stats?.mirrorBytes ?? 0,
        dirty,
      },
      events: { ...stats?.events },
      operations: { ...stats?.operations },
      unreadable,
      superseded,
      unanswered,
      bucket_listed: memory?.unlisted === false,
      other_file_manager: other ?? null,
      last_cycle: report,
      reports_damaged: damaged,
      plans_damaged: plansDamaged,
      errors: { last_cycle: report ? errorsOf(report) : 0 },
      gate: {
        held_plans: held
          .filter(
            ({ plan }) => (judged?.status === 'held' && judged.plan === plan.id) || judged?.withheld?.plan === plan.id,
          )
          .map(({ plan, held: reasons, stored_at }) => ({ id: plan.id, reasons, since: stored_at })),
      },
      reports_waiting: outbox.waiting,
      reports_unclaimed: outbox.unclaimed,
    };
  } finally {
    await log?.close();
  }
};

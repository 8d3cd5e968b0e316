import { isConfirmation, type LogEvent, type OperationKind, type OutcomeEvent } from '../../events/event.ts';
import type { FileFoldState } from '../../projections/file/fold.ts';
import { projectionsVersion } from '../../projections/schema.ts';
import { checksumAt } from '../log/read-log.ts';
import type { Queries } from '../storage/database.ts';

/** Totals that `status` shows: a projection like the others, folded from the log. */
export type Stats = {
  files: number;
  bytes: number;
  mirrorFiles: number;
  mirrorBytes: number;
  /** Events by type, outcomes of both kinds among them. */
  readonly events: Partial<Record<LogEvent['type'], number>>;
  /** Operations that the file manager has confirmed, by kind. */
  readonly operations: Partial<Record<OperationKind, number>>;
  /** Producer's time of the newest bucket event in the log's order; null before the first. */
  lastEventAt: string | null;
  lastOutcomeAt: string | null;
};

/** What the projector commits together with the rows. */
export type ProjectionMeta = {
  readonly version: number;
  /** The log that the views were folded from. */
  readonly logId: string;
  /** Offset of the last folded event. */
  checkpoint: number;
  /** Checksum of the log there, which tells all events up to it from others. */
  checksum: number;
  readonly fileFold: FileFoldState;
  readonly stats: Stats;
};

export const emptyMeta = (logId: string): ProjectionMeta => ({
  version: projectionsVersion,
  logId,
  checkpoint: 0,
  checksum: 0,
  fileFold: { frontier: {}, keepsHistory: false },
  stats: {
    files: 0,
    bytes: 0,
    mirrorFiles: 0,
    mirrorBytes: 0,
    events: {},
    operations: {},
    lastEventAt: null,
    lastOutcomeAt: null,
  },
});

/** Undefined when nothing has been folded yet, or by another version of the folds. */
export const readMeta = async (queries: Pick<Queries, 'get'>): Promise<ProjectionMeta | undefined> => {
  const table = await queries.get(`SELECT 1 FROM sqlite_schema WHERE name = 'meta'`);
  if (!table) return undefined;
  const row = await queries.get<{ value: string }>(`SELECT value FROM meta WHERE name = 'projector'`);
  if (!row) return undefined;
  const meta = JSON.parse(row.value) as ProjectionMeta;
  return meta.version === projectionsVersion ? meta : undefined;
};

/** Why views were not folded from the events that the log holds; undefined where they were. */
export const whyForeign = async (
  meta: ProjectionMeta,
  log: { readonly logId: string; readonly database: Pick<Queries, 'get'> },
): Promise<string | undefined> => {
  if (meta.logId !== log.logId) return 'was folded from another log';
  const checksum = await checksumAt(log.database, meta.checkpoint);
  if (checksum === undefined) return `is ahead of the log, which does not reach its offset ${meta.checkpoint}`;
  return checksum === meta.checksum
    ? undefined
    : 'was folded from events that are not those of the log, which is a backup that went on otherwise';
};

export const writeMeta = (queries: Pick<Queries, 'run'>, meta: ProjectionMeta): Promise<number> =>
  queries.run(`INSERT OR REPLACE INTO meta VALUES ('projector', ?)`, [JSON.stringify(meta)]);

/** Counts a window of events. */
export const countEvents = (stats: Stats, events: readonly LogEvent[]): void => {
  for (const event of events) {
    stats.events[event.type] = (stats.events[event.type] ?? 0) + 1;
    if (event.type !== 'outcome') stats.lastEventAt = event.time;
  }
  countOutcomes(
    stats,
    events.filter((event) => event.type === 'outcome'),
  );
};

/** Counts the operations that were carried out. */
export const countOutcomes = (stats: Stats, outcomes: readonly OutcomeEvent[]): void => {
  for (const outcome of outcomes) {
    const { operation, time } = outcome;
    if (isConfirmation(outcome)) stats.operations[operation] = (stats.operations[operation] ?? 0) + 1;
    stats.lastOutcomeAt = time;
  }
};

import { crc32 } from 'node:zlib';
import type {
  BucketEvent,
  BucketEventType,
  LogEvent,
  OperationKind,
  OutcomeEvent,
  Recorded,
} from '../../events/event.ts';

/** A row of the log as SQLite holds it. */
export type EventRow = {
  readonly offset: number;
  readonly id: string;
  readonly type: BucketEventType | 'outcome';
  readonly time: string;
  readonly path: string;
  readonly to: string | null;
  readonly size: number | null;
  readonly etag: string | null;
  readonly permissions: string | null;
  readonly version: string | null;
  readonly key: string | null;
  readonly modified_at: string | null;
  readonly scope: 'marker' | null;
  readonly source: string;
  readonly operation: OperationKind | null;
  readonly file_id: number | null;
  readonly file_offset: number | null;
  readonly checksum: number;
};

/** The event's row: its columns in order, without the checksum. */
export const cellsOf = (offset: number, event: LogEvent): EventCells => {
  const outcome = event.type === 'outcome' ? event : undefined;
  const bucket = event.type === 'outcome' ? undefined : event;
  return [
    offset,
    event.id,
    event.type,
    event.time,
    event.path,
    event.to ?? null,
    event.size ?? null,
    event.etag ?? null,
    event.permissions ?? null,
    bucket?.version ?? null,
    event.key ?? null,
    event.modifiedAt ?? null,
    event.scope ?? null,
    event.source,
    outcome?.operation ?? null,
    outcome?.fileId ?? null,
    outcome?.fileOffset ?? null,
  ];
};

/**
 * CRC-32 of one row in JSON, or of many with commas between them, started from the checksum of the row before: the chain
 * over many rows is the checksum of their text. SQLite writes JSON just as JSON.stringify does.
 */
export const chainText = (previous: number, rows: string): number => crc32(`${rows},`, previous);

/** The same of the rows' bytes. */
export const chainBytes = (previous: number, rows: Buffer): number => crc32(',', crc32(rows, previous));

/** A row's text as the chain covers it: everything but the checksum itself. */
export const textOf = (cells: EventCells): string => JSON.stringify(cells);

/** A row of the log as an array: its columns in order, without the checksum. */
export type EventCells = readonly [
  offset: number,
  id: string,
  type: EventRow['type'],
  time: string,
  path: string,
  to: string | null,
  size: number | null,
  etag: string | null,
  permissions: string | null,
  version: string | null,
  key: string | null,
  modifiedAt: string | null,
  scope: 'marker' | null,
  source: string,
  operation: OperationKind | null,
  fileId: number | null,
  fileOffset: number | null,
];

/** The row's cells, as `cellsOf` had them. */
export const cellsOfRow = (row: EventRow): EventCells => [
  row.offset,
  row.id,
  row.type,
  row.time,
  row.path,
  row.to,
  row.size,
  row.etag,
  row.permissions,
  row.version,
  row.key,
  row.modified_at,
  row.scope,
  row.source,
  row.operation,
  row.file_id,
  row.file_offset,
];

/** A log row as the event that it holds. */
export const eventOf = (row: EventRow): Recorded => eventOfCells(cellsOfRow(row));

/** The same from an array of cells; this runs for every event of a replay. */
export const eventOfCells = (cells: EventCells): Recorded => {
  const [offset, id, type, time, path, to, size, etag, permissions, version, key, modifiedAt, scope, source] = cells;
  const event: Writable<Recorded<BucketEvent>> = { offset, id, type: type as BucketEventType, time, path, source };
  if (to !== null) event.to = to;
  if (size !== null) event.size = size;
  if (etag !== null) event.etag = etag;
  if (permissions !== null) event.permissions = permissions;
  if (version !== null) event.version = version;
  if (key !== null) event.key = key;
  if (scope !== null) event.scope = scope;
  if (modifiedAt !== null) event.modifiedAt = modifiedAt;
  if (type !== 'outcome') return event;
  const [operation, fileId, fileOffset] = cells.slice(14) as [OperationKind | null, number | null, number | null];
  const { version: _, ...shared } = event;
  return {
    ...shared,
    id: id as OutcomeEvent['id'],
    type: 'outcome',
    source: 'file-manager',
    operation: operation ?? 'save',
    fileId: fileId ?? 0,
    fileOffset: fileOffset ?? 0,
  };
};

type Writable<T> = { -readonly [K in keyof T]: T[K] };

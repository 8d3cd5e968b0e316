import { crc32 } from 'node:zlib';
import type { BucketEventType, LogEvent, OperationKind, Recorded } from '../../events/event.ts';

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

type Cell = string | number | null;

/** The event's fields in column order, from `id` to `file_offset`: what the producer said, without the log's own two. */
export const payloadOf = (event: LogEvent): Cell[] => {
  const outcome = event.type === 'outcome' ? event : undefined;
  const bucket = event.type === 'outcome' ? undefined : event;
  return [
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

/** CRC-32 of a row, started from the checksum of the row before it. */
export const chain = (previous: number, offset: number, payload: readonly Cell[]): number =>
  crc32(`${offset}${JSON.stringify(payload)}`, previous);

/** The row's payload again, as `payloadOf` had it. */
export const payloadOfRow = (row: EventRow): Cell[] => [
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
export const eventOf = (row: EventRow): Recorded => {
  const shared = {
    offset: row.offset,
    id: row.id,
    time: row.time,
    path: row.path,
    ...(row.to !== null && { to: row.to }),
    ...(row.size !== null && { size: row.size }),
    ...(row.etag !== null && { etag: row.etag }),
    ...(row.permissions !== null && { permissions: row.permissions }),
    ...(row.key !== null && { key: row.key }),
    ...(row.scope !== null && { scope: row.scope }),
    ...(row.modified_at !== null && { modifiedAt: row.modified_at }),
  };
  if (row.type === 'outcome') {
    return {
      ...shared,
      type: 'outcome',
      source: 'file-manager',
      operation: row.operation ?? 'save',
      fileId: row.file_id ?? 0,
      fileOffset: row.file_offset ?? 0,
    };
  }
  return {
    ...shared,
    type: row.type,
    source: row.source,
    ...(row.version !== null && { version: row.version }),
  };
};

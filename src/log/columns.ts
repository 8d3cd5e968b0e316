/**
 * The log's columns, in the order in which rows travel to and from SQLite and in which the checksum covers them.
 * `checksum` is last: CRC-32 of the row's JSON, started from the row before, so a changed byte shows at its offset.
 */
export const eventColumns = [
  'offset',
  'id',
  'type',
  'time',
  'path',
  'to',
  'size',
  'etag',
  'permissions',
  'version',
  'key',
  'modified_at',
  'scope',
  'source',
  'operation',
  'file_id',
  'file_offset',
  'checksum',
] as const;

/** SQL list of the log's columns; `to` is a keyword and is quoted. */
export const eventColumnList = eventColumns.map((name) => `"${name}"`).join(', ');

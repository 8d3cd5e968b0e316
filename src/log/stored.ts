import type { LogEvent } from '../../events/event.ts';
import { eventColumns } from './columns.ts';

/** What few events say. In a row's text these are six nulls at the end, three on either side of the source. */
const seldom: readonly string[] = ['key', 'modified_at', 'scope', 'operation', 'file_id', 'file_offset'];
const nulls = ',null,null,null';

/** The columns that such events are inserted with: each one left out spares SQLite an expression in every row. */
const plainColumns = eventColumns.filter((name) => !seldom.includes(name));

const isPlain = (event: LogEvent): boolean =>
  event.type !== 'outcome' && event.key === undefined && event.modifiedAt === undefined && event.scope === undefined;

/** How the rows of some events are given to the table, made from their text as the checksum covers it. */
export type Stored = {
  readonly columns: readonly string[];
  /** The cells in JSON, with commas between them. */
  rowOf(text: string, event: LogEvent, checksum: number): string;
};

export const storedAs = (events: readonly LogEvent[]): Stored => {
  if (!events.every(isPlain))
    return { columns: eventColumns, rowOf: (text, _, checksum) => `${text.slice(1, -1)},${checksum}` };
  return {
    columns: plainColumns,
    rowOf: (text, { source }, checksum) => {
      const named = `,${JSON.stringify(source)}`;
      return `${text.slice(1, -`${nulls}${named}${nulls}]`.length)}${named},${checksum}`;
    },
  };
};

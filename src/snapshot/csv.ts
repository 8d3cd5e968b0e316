import { createRequire } from 'node:module';
import { placeProblem } from '../../events/keys.ts';
import { columns, type FileRow } from '../../projections/rows.ts';
import { FatalError } from '../errors.ts';

/**
 * The snapshot's text: RFC 4180, UTF-8, LF, a header, rows sorted by the path's UTF-8 bytes. Null is an empty field; no
 * column ever holds an empty string. A field is quoted only when it holds a quote, a comma, a CR or an LF.
 */
export const header = `${columns.join(',')}\n`;

const quoted = (name: string): string =>
  `CASE WHEN ${name} GLOB '*["' || char(44, 13, 10) || ']*' THEN '"' || replace(${name}, '"', '""') || '"' ELSE coalesce(${name}, '') END`;

/** One row as CSV, built by SQLite: several times faster than one object a row. */
export const quotedSql = (alias: string): string =>
  columns
    .map((name) => {
      const column = `${alias}."${name}"`;
      return ['path', 'key', 'etag', 'permissions'].includes(name) ? `(${quoted(column)})` : `ifnull(${column}, '')`;
    })
    .join(` || ',' || `)
    .concat(` || char(10)`);

/**
 * The same without quotes, and without the search for what would need them, which costs more than all the rest:
 * `needsQuotes` tells afterwards whether that was right. `format` writes null as nothing.
 */
export const bareSql = (alias: string): string =>
  `format('${columns.map(() => '%s').join(',')}\n', ${columns.map((name) => `${alias}."${name}"`).join(', ')})`;

/** Whether bare records hold a field that needs quotes: then there are quotes, CRs, or more commas or LFs than `rows` have. */
export const needsQuotes = (records: Uint8Array, rows: number): boolean => {
  let commas = 0;
  let lines = 0;
  for (let at = 0; at < records.length; at++) {
    const byte = records[at] as number;
    if (byte > 0x2c) continue;
    if (byte === 0x2c) commas += 1;
    else if (byte === 0x0a) lines += 1;
    else if (byte === 0x22 || byte === 0x0d) return true;
  }
  return lines !== rows || commas !== rows * (columns.length - 1);
};

/** Loaded with the first record that has quotes: it takes a sixth of the start of a command that may never see one. */
const load = createRequire(import.meta.url);

const parsed = (record: string): string[] => {
  const { parse } = load('csv/sync') as typeof import('csv/sync');
  return (parse(record, { relax_column_count: true }) as string[][])[0] ?? [];
};

/** In our words: the parser's name a line of their own, which is none of the file's. */
const problems: Readonly<Record<string, string>> = {
  INVALID_OPENING_QUOTE: 'a quote stands in a field that is not quoted: quote the whole field, and double the quote',
  CSV_INVALID_CLOSING_QUOTE: 'a field goes on after its closing quote: a quote within a quoted field is doubled',
  CSV_QUOTE_NOT_CLOSED: 'a quoted field is not closed',
};

/** What is wrong with a record's quotes. `isStray`: wrong whatever may come after it. */
export const quoteProblem = (record: string): { readonly text: string; readonly isStray: boolean } | undefined => {
  try {
    parsed(record);
    return undefined;
  } catch (error) {
    const { code = '', message } = error as { readonly code?: string; readonly message: string };
    const text = `not a CSV record (RFC 4180): ${problems[code] ?? message}`;
    return { text, isStray: code !== 'CSV_QUOTE_NOT_CLOSED' };
  }
};

/** Fields of one record, without its line end. Throws FatalError when it is not RFC 4180. */
export const fieldsOf = (record: string): string[] => {
  if (!record.includes('"')) return record.split(',');
  try {
    return parsed(record);
  } catch {
    throw new FatalError(quoteProblem(record)?.text ?? 'not a CSV record (RFC 4180)');
  }
};

/** The first field of a record. */
export const pathOf = (record: string): string =>
  record.startsWith('"') ? (fieldsOf(record)[0] ?? '') : record.slice(0, record.indexOf(','));

const wholeNumber = (text: string, name: string): number => {
  let value = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) value = Number.NaN;
    value = value * 10 + digit;
  }
  if (text.length === 0 || text.length > 16 || !Number.isSafeInteger(value)) {
    const most = value > Number.MAX_SAFE_INTEGER ? `; the largest is ${Number.MAX_SAFE_INTEGER}` : '';
    throw new FatalError(`${name} must be a whole number, found ${JSON.stringify(text)}${most}`);
  }
  return value;
};

/** A record's text as a row. Throws FatalError that names its `place`, record, column and what was found. */
export const rowOf = (record: string, place: () => string): FileRow => {
  try {
    return parsedRow(record);
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    throw new FatalError(`${place()}, record ${JSON.stringify(record.slice(0, 60))}: ${error.message}`);
  }
};

const parsedRow = (record: string): FileRow => {
  const fields = fieldsOf(record);
  if (fields.length !== columns.length) {
    throw new FatalError(`expected ${columns.length} fields (${columns.join(',')}), found ${fields.length}`);
  }
  const [path, fileId, key, size, etag, permissions, modifiedAt, offset] = fields as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const problem = placeProblem(path);
  if (problem !== undefined) throw new FatalError(`path: ${problem}`);
  return {
    path,
    file_id: wholeNumber(fileId, 'file_id'),
    key: key || null,
    size: size === '' ? null : wholeNumber(size, 'size'),
    etag: etag || null,
    permissions: permissions || null,
    modified_at: modifiedAt,
    offset: wholeNumber(offset, 'offset'),
  };
};

/** Rows for one table. Each is the JSON of its cells (text, numbers, null), with commas between them. */
export type Insertion = {
  readonly into: string;
  readonly columns: readonly string[];
  readonly rows: readonly string[];
  /** A row takes the place of the one that has its key; without it, that is an error. */
  readonly replacing?: boolean;
};

/** Without parameters it may be a script of several statements. */
export type Statement = { readonly sql: string; readonly parameters: readonly string[] };

/** Rows that SQLite is given at once: the text is a copy of them. */
const rowsAtOnce = 5_000;
/** Rows in one statement of that text. SQLite holds it parsed, which then fits into the processor's caches. */
const rowsInStatement = 100;

/** Where scripts are put together, one at a time. It is kept for the next, unless a few long rows made it large. */
let scratch = Buffer.allocUnsafeSlow(1 << 16);
const keptBytesMax = 8 << 20;

/** Adds text to the script of `length` bytes; returns how long it then is. */
const add = (text: string, length: number): number => {
  const most = length + text.length * utf8BytesMax;
  if (most > scratch.length) {
    const larger = Buffer.allocUnsafeSlow(2 * most);
    scratch.copy(larger, 0, 0, length);
    scratch = larger;
  }
  return length + scratch.write(text, length);
};

/** UTF-8 bytes that one unit of a text takes at most. */
const utf8BytesMax = 3;
const [quote, apostrophe] = [0x22, 0x27] as const;

/**
 * Adds rows of JSON as rows of SQL literals. Where no character is escaped, the two differ in the quotes around text, which
 * SQL doubles within it; so the only quotes are those that JSON wrote, and nothing can end a text early. They are changed as
 * bytes, since V8 puts a text together from a piece for each of them.
 */
const addLiterals = (rows: string, length: number): number => {
  const end = add(rows.replace(/'/g, "''"), length);
  for (let at = length; at < end; at++) if (scratch[at] === quote) scratch[at] = apostrophe;
  return end;
};

const isEscaped = (row: string): boolean => row.includes('\\');

/** A script of statements for the rows without an escaped character; the others are added to `escaped`. */
const scriptOf = (head: string, rows: readonly string[], escaped: string[]): string => {
  let length = 0;
  for (let at = 0; at < rows.length; at += rowsInStatement) {
    let lot = rows.slice(at, at + rowsInStatement);
    let text = lot.join('),(');
    if (text.includes('\\')) {
      escaped.push(...lot.filter(isEscaped));
      lot = lot.filter((row) => !isEscaped(row));
      text = lot.join('),(');
    }
    if (lot.length > 0) length = add(');', addLiterals(text, add(`${head} VALUES (`, length)));
  }
  const script = scratch.toString('utf8', 0, length);
  if (scratch.length > keptBytesMax) scratch = Buffer.allocUnsafeSlow(1 << 16);
  return script;
};

/**
 * The statements that insert the rows. Literals cost SQLite a third of what `json_extract` for each cell does, and bound
 * parameters cost the driver more than either. Rows with an escaped character (a quote, a backslash, a control character,
 * half a surrogate pair) are left to SQLite's own JSON.
 */
export const statementsFor = ({ into, columns, rows, replacing = false }: Insertion): Statement[] => {
  const head = `INSERT ${replacing ? 'OR REPLACE ' : ''}INTO ${into} (${columns.map((name) => `"${name}"`).join(', ')})`;
  const cells = columns.map((_, place) => `json_extract(value, '$[${place}]')`).join(', ');
  const escaped: string[] = [];
  const statements: Statement[] = [];
  for (let at = 0; at < rows.length; at += rowsAtOnce) {
    const sql = scriptOf(head, rows.slice(at, at + rowsAtOnce), escaped);
    if (sql !== '') statements.push({ sql, parameters: [] });
  }
  if (escaped.length > 0)
    statements.push({
      sql: `${head} SELECT ${cells} FROM json_each(?)`,
      parameters: [`[[${escaped.join('],[')}]]`],
    });
  return statements;
};

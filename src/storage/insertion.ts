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

/**
 * Rows of JSON as rows of SQL literals. Where no character is escaped, the two differ in the quotes around text, which SQL
 * doubles within it; so the only quotes are those that JSON wrote, and nothing can end a text early.
 */
const literalsOf = (rows: readonly string[]): string =>
  // Patterns, since `replaceAll` with a text puts the result together from a piece for each quote.
  `(${rows.join('),(')})`.replace(/'/g, "''").replace(/"/g, "'");

const scriptOf = (head: string, rows: readonly string[]): string => {
  let script = '';
  for (let at = 0; at < rows.length; at += rowsInStatement)
    script += `${head} VALUES ${literalsOf(rows.slice(at, at + rowsInStatement))};`;
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
  const plain = rows.filter((row) => !row.includes('\\'));
  const escaped = plain.length === rows.length ? [] : rows.filter((row) => row.includes('\\'));
  const statements: Statement[] = [];
  for (let at = 0; at < plain.length; at += rowsAtOnce)
    statements.push({ sql: scriptOf(head, plain.slice(at, at + rowsAtOnce)), parameters: [] });
  if (escaped.length > 0)
    statements.push({
      sql: `${head} SELECT ${cells} FROM json_each(?)`,
      parameters: [`[[${escaped.join('],[')}]]`],
    });
  return statements;
};

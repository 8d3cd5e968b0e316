import { FatalError } from '../errors.ts';
import { fieldsOf, header, quoteProblem } from '../snapshot/csv.ts';

/** Why a file is no snapshot, in words for whoever wrote it by hand. */

const newline = 0x0a;

/** The names in a header; where its quotes are wrong, what stands between the commas. */
const namesIn = (line: string): string[] => {
  try {
    return fieldsOf(line);
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    return line.split(',');
  }
};

/** What is wrong with a file's first line, `found` with its line end; undefined where it is a snapshot's header. */
export const headerProblem = (found: string, path: string, isFile: boolean): string | undefined => {
  if (found === header) return undefined;
  if (found === '' && !isFile)
    return `${path} holds nothing more: a diff may read a snapshot twice, so give it a file and no pipe`;
  if (found === '') return `${path} is empty: a snapshot has at least its header, ${header.trim()}`;
  if (found.startsWith('\ufeff')) return `${path} begins with a byte order mark: a snapshot is UTF-8 without one`;
  if (found.endsWith('\r\n')) return `${path} has CRLF line ends: a snapshot's lines end in LF alone`;
  const names = namesIn(found.replace(/\n$/, ''));
  if (`${names.join(',')}\n` === header)
    return found.endsWith('\n')
      ? undefined
      : `${path}: the header line has no line end: expected ${header.trim()} and LF`;
  const missing = header
    .trim()
    .split(',')
    .filter((name) => !names.includes(name));
  return `${path}, line 1: ${missing.length > 0 ? `the column ${missing.join(', ')} is missing` : 'the columns stand in another order'}: expected ${header.trim()}, found ${JSON.stringify(found.trim())}`;
};

/** Why no record ends in `rest`, which begins with it: `isTorn` where the file ends without a line end. */
export const unendedProblem = (rest: Buffer, isTorn: boolean): string => {
  const lineEnd = rest.indexOf(newline);
  const problem = lineEnd === -1 ? undefined : quoteProblem(rest.toString('utf8', 0, lineEnd));
  if (problem !== undefined && (problem.isStray || !isTorn)) return problem.text;
  return isTorn
    ? 'the last line is torn (no line end): export the snapshot again'
    : 'the record is longer than any of a snapshot';
};

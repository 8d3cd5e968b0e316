/** Text for a person at a terminal: counts with their nouns, and lines that end before the terminal does. */

/** Columns of the narrowest terminal that everything fits into. */
export const columns = 80;

export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** Counts by name, those that are not zero; `none` where all are. */
export const listed = (counts: Readonly<Record<string, number | undefined>>, none: string): string =>
  Object.entries(counts)
    .filter(([, count]) => count)
    .map(([name, count]) => `${count} ${name.replaceAll('_', ' ')}`)
    .join(', ') || none;

/** A text in lines, the first begun with `first` and the others with `next`. A word that no line holds is cut, or `whole`. */
export const wrapped = (
  text: string,
  first: string,
  next: string,
  { width = columns, whole = false }: { width?: number; whole?: boolean } = {},
): string[] => {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  const room = width - Math.max(first.length, next.length);
  for (const full of text.split(' ')) {
    const word = full.length > room && !whole ? `${full.slice(0, room - 1)}…` : full;
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = next;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  lines.push(line);
  return lines;
};

/** Lines for a person: one that is too long goes on beneath itself, a little further in. Words that are longer stay whole. */
export const fitted = (text: string): string =>
  text
    .split('\n')
    .flatMap((line) => {
      const [indent = ''] = /^ */.exec(line) ?? [];
      return wrapped(line.slice(indent.length), indent, `${indent}  `, { whole: true });
    })
    .join('\n');

/** A label, and beside it a text in as many lines as it needs. Words that are longer stay whole. */
export const beside = (label: string, text: string, width = columns): string =>
  wrapped(text, label, ' '.repeat(label.length), { width, whole: true }).join('\n');

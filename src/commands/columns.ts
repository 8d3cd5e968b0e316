const columns = 80;

/** A label, and beside it a text in as many lines as 80 columns need. Words that are longer stay whole. */
export const beside = (label: string, text: string): string => {
  const lines: string[] = [];
  let line = label;
  for (const word of text.split(' ')) {
    const isFirst = line.length === label.length;
    if (!isFirst && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = ' '.repeat(label.length) + word;
    } else line += isFirst ? word : ` ${word}`;
  }
  return [...lines, line].join('\n');
};

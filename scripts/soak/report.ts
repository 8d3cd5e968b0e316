import type { Counts } from './random.ts';

const width = 80;

const wrapped = (title: string, words: readonly string[]): string[] => {
  const lines: string[] = [];
  let line = title.padEnd(13);
  for (const [at, word] of words.entries()) {
    const text = at < words.length - 1 ? `${word}, ` : word;
    if (line.length + text.trimEnd().length > width) {
      lines.push(line.trimEnd());
      line = ' '.repeat(13);
    }
    line += text;
  }
  return [...lines, line.trimEnd()];
};

const counted = (title: string, counts: Counts): string[] =>
  wrapped(title, counts.total() === 0 ? ['none'] : counts.entries().map(([name, count]) => `${count} ${name}`));

export type Soaked = {
  readonly seed: number;
  readonly chaosMs: number;
  readonly settledMs: number | undefined;
  readonly folder: string;
  readonly changes: Counts;
  readonly events: { readonly published: number; readonly faults: Counts; readonly offset: number };
  readonly requests: number;
  readonly requestFaults: Counts;
  readonly connectionFaults: Counts;
  readonly kills: Counts;
  readonly restarts: readonly string[];
  readonly cycles: number;
  readonly rssBytes: { readonly daemon: number; readonly fileManager: number };
  /** Each comparison with what it found; nothing found is equal. */
  readonly comparisons: readonly { readonly name: string; readonly found: readonly string[] }[];
};

const seconds = (ms: number): string => `${(ms / 1000).toFixed(0)} s`;
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const foundMax = 5;

/** What the soak did and what came of it, on one screen of 80 columns. */
export const soakReport = (soaked: Soaked): string => {
  const failed = soaked.comparisons.some(({ found }) => found.length > 0);
  const settled = soaked.settledMs === undefined ? 'never settled' : `settled after ${seconds(soaked.settledMs)}`;
  const lines = [
    `Soak: ${failed ? 'FAILED' : 'all sides equal'} (seed ${soaked.seed}, ${seconds(soaked.chaosMs)} of faults, ${settled})`,
    '',
    ...counted('Changes', soaked.changes),
    ...wrapped('Events', [
      `${soaked.events.published} published`,
      ...soaked.events.faults.entries().map(([name, count]) => `${count} ${name}`),
      `log at offset ${soaked.events.offset}`,
    ]),
    ...wrapped('Requests', [`${soaked.requests} to the file manager`, `${soaked.requestFaults.total()} meddled with`]),
    ...counted('', soaked.requestFaults),
    ...counted('Connections', soaked.connectionFaults),
    ...counted('Ends', soaked.kills),
    ...(soaked.restarts.length > 0 ? wrapped('', soaked.restarts) : []),
    ...wrapped('Memory', [
      `daemon ${mebibytes(soaked.rssBytes.daemon)} at most`,
      `file manager ${mebibytes(soaked.rssBytes.fileManager)} at most`,
    ]),
    ...wrapped('Cycles', [`${soaked.cycles} reports arrived`]),
    '',
    ...soaked.comparisons.flatMap(({ name, found }) => [
      `${found.length === 0 ? '✔' : '✘'} ${name}`,
      ...found.slice(0, foundMax).map((line) => `    ${line.slice(0, width - 4)}`),
      ...(found.length > foundMax ? [`    and ${found.length - foundMax} more`] : []),
    ]),
    ...(failed ? ['', `Everything is kept in ${soaked.folder}`, `Again: make soak SEED=${soaked.seed}`] : []),
  ];
  return `${lines.join('\n')}\n`;
};

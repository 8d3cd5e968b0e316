import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Measured, median } from './measure.ts';

/** One benchmark's newest measurement, as it stands in `results.json`. */
export type Result = {
  readonly at: string;
  readonly machine: {
    readonly cpu: string;
    readonly memory: string;
    readonly kernel: string;
    readonly versions: readonly string[];
  };
  readonly input: string;
  readonly items: number;
  readonly rounds: number;
  readonly bars: Readonly<Record<string, number>>;
  /** The peer beside whom our time counts without the runtime's start-up, which is the contender `node -e 0`. */
  readonly afterStartUp?: string | undefined;
  /** Most that our peak RSS may be, in MB. */
  readonly rssMax?: number | undefined;
  readonly missing: readonly string[];
  readonly measured: readonly Measured[];
};
export type Results = Readonly<Record<string, Result>>;

export const resultsFile = join(import.meta.dirname, 'results.json');
const readmeFile = join(import.meta.dirname, 'README.md');
const [begin, end] = ['<!-- results: made by make bench -->', '<!-- end of results -->'];

const seconds = (value: number): string => `${value.toFixed(value < 1 ? 3 : 2)} s`;

/** The contender that does nothing. */
export const runtime = 'node -e 0';

const judged = (value: number, bar: number): string =>
  `${value <= bar ? 'kept' : 'MISSED'} (${bar < 10 ? bar.toFixed(2) : bar})`;

/** One line a contender: median, least and most; our median by theirs, and whether that keeps the bar. */
export const tableOf = ({ items, bars, afterStartUp, rssMax, missing, measured }: Result): string => {
  const medianOf = (one: Measured | undefined): number => median(one?.runs.map((run) => run.seconds) ?? []);
  const all = medianOf(measured[0]);
  const startUp = medianOf(measured.find(({ name }) => name === runtime));
  const lines = measured.map(({ name, runs, items: count = items }) => {
    const times = runs.map((run) => run.seconds);
    const middle = median(times);
    // By rates, where the two work on different numbers of items.
    const own = name === afterStartUp ? all - startUp : all;
    const ratio = own / items / (middle / count);
    const bar = bars[name];
    const isAside = name === runtime && bar === undefined;
    const rss = Math.round(Math.max(...runs.map((run) => run.rssMb)));
    const cells = [
      name,
      seconds(middle),
      `${seconds(Math.min(...times))} to ${seconds(Math.max(...times))}`,
      items > 1 && !isAside ? `${Math.round(count / middle).toLocaleString('en')}/s` : '',
      name.startsWith('ours') || isAside ? '' : `${ratio.toFixed(2)}${name === afterStartUp ? ' after start-up' : ''}`,
      bar === undefined ? '' : judged(ratio, bar),
      `${rss} MB${name === 'ours' && rssMax !== undefined ? `, ${judged(rss, rssMax)}` : ''}`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| who | median | least to most | rate | ours / theirs | bar | peak RSS |',
    '|---|---|---|---|---|---|---|',
    ...lines,
    ...missing.map((name) => `| ${name} | not installed here: no ratio | | | | | |`),
  ].join('\n');
};

/** Puts the newest tables into the README. */
export const writeReadme = (names: readonly string[]): void => {
  const results = JSON.parse(readFileSync(resultsFile, 'utf8')) as Results;
  const sections = names.flatMap((name) => {
    const result = results[name];
    if (!result) return [];
    return [
      `### ${name}\n\n${result.input}; ${result.rounds} runs each, in turns (${result.at.slice(0, 10)})\n\n${tableOf(result)}`,
    ];
  });
  const newest = Object.values(results).at(-1)?.machine;
  const machine = newest && `${newest.cpu}, ${newest.memory}, ${newest.kernel}. ${newest.versions.join('; ')}.`;
  const readme = readFileSync(readmeFile, 'utf8');
  const [from, to] = [readme.indexOf(begin), readme.indexOf(end)];
  writeFileSync(
    readmeFile,
    `${readme.slice(0, from + begin.length)}\n\n${machine}\n\n${sections.join('\n\n')}\n\n${readme.slice(to)}`,
  );
};

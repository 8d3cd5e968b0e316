import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, createWriteStream, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Broker, startPubSub, startSqs } from './brokers.ts';
import { batchesOf, dataFolder, eventLog, eventsOf, projections, snapshots } from './data.ts';
import type { Contender } from './measure.ts';
import { runtime } from './results.ts';

/** What a benchmark needs of one of its runs. The first contender is ours. */
export type Prepared = {
  readonly input: string;
  readonly contenders: readonly Contender[];
  /** Called before each round. */
  readonly round?: (round: number) => Promise<void>;
  readonly end?: () => Promise<void>;
};

export type Benchmark = {
  readonly name: string;
  /** Items of the input: figures are also given per second. */
  readonly items: number;
  /** The bar for the ratio of our median time to the peer's; undefined where there is none for a peer. */
  readonly bars: Readonly<Record<string, number>>;
  readonly afterStartUp?: string;
  readonly rssMax?: number;
  readonly prepare: () => Promise<Prepared>;
};

const root = join(import.meta.dirname, '..');
/** The product as it is installed: built, run by the pinned Node with the settings that it is always started with. */
const cli = join(dataFolder, 'dist', 'src', 'cli.js');
const runtimeSettings =
  readFileSync(join(root, 'src', 'cli.ts'), 'utf8')
    .split('\n')[0]
    ?.match(/--\S+/g) ?? [];
const tools = join(root, '.tools', 'bench');
const node = process.execPath;
const scratch = (name: string): string => join(dataFolder, 'scratch', name);
const ours = (...args: string[]): readonly [string, ...string[]] => [
  node,
  ...runtimeSettings,
  cli,
  ...args,
  '--log-level',
  'warn',
];

export const buildProduct = (): void => {
  execFileSync(
    join(root, 'node_modules', '.bin', 'tsc'),
    ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(dataFolder, 'dist')],
    { cwd: root, stdio: 'inherit' },
  );
  if (!existsSync(join(dataFolder, 'node_modules')))
    execFileSync('ln', ['-s', join(root, 'node_modules'), join(dataFolder, 'node_modules')]);
};

const freshFolder = (name: string): string => {
  rmSync(scratch(name), { recursive: true, force: true });
  mkdirSync(scratch(name), { recursive: true });
  return scratch(name);
};

const diff = (rows: number, share: number, bars: Benchmark['bars'], afterStartUp?: string): Benchmark => ({
  ...(afterStartUp !== undefined && { afterStartUp }),
  rssMax: 100,
  name: `diff-${rows / 1e6}m-${share * 100}%`,
  items: rows,
  bars,
  prepare: async () => {
    const { old, now } = await snapshots(rows, share);
    const twin = `${old}.twin`;
    if (!existsSync(twin)) copyFileSync(old, twin);
    const folder = freshFolder('diff');
    const python = join(tools, 'python', 'bin', 'python');
    const differ = (tool: string): Contender => ({
      name: tool,
      command: [python, join(root, 'bench', 'peers', 'differ.py'), tool, old, now, join(folder, `${tool}.csv`)],
    });
    return {
      input: `${rows} rows, ${share * 100} % of them changed`,
      contenders: [
        { name: 'ours', command: ours('diff', old, now), out: join(folder, 'ours.jsonl') },
        // cmp ends at the first difference, so it is given two equal files: the least that any diff must read.
        { name: 'cmp', command: ['cmp', old, twin] },
        { name: 'comm -3', command: ['comm', '-3', old, now], out: join(folder, 'comm'), env: { LC_ALL: 'C' } },
        {
          name: 'csv-diff (Rust)',
          command: [join(tools, 'cargo', 'release', 'csv-diff-peer'), old, now],
          out: join(folder, 'rust'),
        },
        differ('duckdb'),
        ...(rows > 1e6 ? [] : [differ('pandas')]),
        { name: 'ours, two equal files', command: ours('diff', old, twin) },
        { name: runtime, command: [node, '-e', '0'] },
      ],
    };
  },
});

const snapshotExport = (rows: number): Benchmark => ({
  name: `export-${rows / 1e6}m`,
  items: rows,
  bars: { 'sqlite3 -csv': 1 },
  rssMax: 150,
  prepare: async () => {
    const folder = await projections(rows);
    const out = freshFolder('export');
    const query = 'SELECT path, file_id, key, size, etag, permissions, modified_at, "offset" FROM file ORDER BY path';
    return {
      input: `${rows} rows, to a file, with fsync`,
      contenders: [
        { name: 'ours', command: ours('snapshot', '--data-dir', folder, '--out', join(out, 'ours.csv')) },
        {
          name: 'sqlite3 -csv',
          command: [
            'sh',
            '-c',
            `sqlite3 -csv -header '${join(folder, 'projections.db')}' '${query}' > ${join(out, 'peer.csv')} && sync ${join(out, 'peer.csv')}`,
          ],
        },
      ],
    };
  },
});

const tableSql = `CREATE TABLE file (path TEXT NOT NULL PRIMARY KEY, file_id INTEGER NOT NULL, key TEXT, size INTEGER, etag TEXT, permissions TEXT, modified_at TEXT NOT NULL, "offset" INTEGER NOT NULL) WITHOUT ROWID;`;

const replay = (events: number): Benchmark => ({
  name: `replay-${events / 1e6}m`,
  items: events,
  bars: { 'sqlite3 .import': 1 },
  rssMax: 300,
  prepare: async () => {
    const folder = freshFolder('replay');
    copyFileSync(await eventLog(events), join(folder, 'events.db'));
    execFileSync(node, [cli, 'replay', '--data-dir', folder], { stdio: 'inherit' });
    execFileSync(node, [cli, 'snapshot', '--data-dir', folder, '--out', join(folder, 'table.csv')], {
      stdio: 'inherit',
    });
    const rows = readFileSync(join(folder, 'table.csv'), 'latin1').split('\n').length - 2;
    const imported = join(folder, 'imported.db');
    return {
      input: `${events} events of all five types, which end in ${rows} rows; checksums verified on the way`,
      contenders: [
        { name: 'ours', command: ours('replay', '--data-dir', folder) },
        {
          name: 'sqlite3 .import',
          items: rows,
          command: ['sqlite3', imported, tableSql, '.mode csv', `.import --skip 1 ${join(folder, 'table.csv')} file`],
          before: () => rmSync(imported, { force: true }),
        },
      ],
    };
  },
});

const append = (events: number): Benchmark => ({
  name: `append-${events / 1e6}m`,
  items: events,
  bars: { 'sqlite3 .import': 1 / 0.7 },
  prepare: async () => {
    const folder = freshFolder('append');
    const lines = join(folder, 'events.jsonl');
    const out = createWriteStream(lines);
    for (const batch of batchesOf(eventsOf(events), 2_000))
      if (!out.write(`${batch.map((event) => JSON.stringify(event)).join('\n')}\n`)) await once(out, 'drain');
    out.end();
    await once(out, 'close');
    const source = await eventLog(events);
    const csv = join(folder, 'events.csv');
    execFileSync('sh', ['-c', `sqlite3 -csv '${source}' 'SELECT * FROM event' > ${csv}`]);
    const table = execFileSync('sqlite3', [source, "SELECT sql || ';' FROM sqlite_schema WHERE name = 'event'"], {
      encoding: 'utf8',
    });
    // The peer, too, is to hold every id once, which takes it a constraint.
    const schema = table.replace('id TEXT NOT NULL', 'id TEXT NOT NULL UNIQUE');
    const imported = join(folder, 'imported.db');
    const data = (): string => join(folder, 'data');
    return {
      input: `${events} events with random ids, in batches of 5,000, each durable (synchronous=FULL) and projected`,
      contenders: [
        {
          name: 'ours',
          command: [node, ...runtimeSettings, join(root, 'bench', 'workers', 'append.ts'), lines, data(), '5000'],
          before: () => void freshFolder('append/data'),
        },
        {
          name: 'sqlite3 .import',
          command: [
            'sqlite3',
            imported,
            'PRAGMA journal_mode = WAL;',
            'PRAGMA synchronous = FULL;',
            schema,
            '.mode csv',
            `.import ${csv} event`,
          ],
          before: () => {
            for (const suffix of ['', '-wal', '-shm']) rmSync(imported + suffix, { force: true });
          },
        },
      ],
    };
  },
});

/** `backlog` messages wait for each contender when a round begins, and it takes `count` of them. */
const consumption = (
  name: 'pubsub' | 'sqs',
  { count, backlog, bar }: { count: number; backlog: number; bar: number },
  start: () => Promise<Broker>,
): Benchmark => ({
  name,
  items: count,
  bars: { 'the same client, which only acks': bar },
  ...(name === 'pubsub' && { rssMax: 300 }),
  prepare: async () => {
    const broker = await start();
    const worker = join(root, 'bench', 'workers', 'consume.ts');
    const command = (who: 'ours' | 'peer', ...rest: string[]): readonly [string, ...string[]] => [
      node,
      ...runtimeSettings,
      worker,
      name,
      who,
      broker.address,
      broker.inboxOf(who),
      String(count),
      ...rest,
    ];
    return {
      input: `${count} native events of ${backlog} that wait in the broker`,
      round: (round) => broker.fill(round === 0 ? backlog : count, round),
      end: () => broker.stop(),
      contenders: [
        {
          name: 'ours',
          command: command('ours', scratch(`${name}/data`)),
          before: () => void freshFolder(`${name}/data`),
        },
        { name: 'the same client, which only acks', command: command('peer') },
      ],
    };
  },
});

const startUp = (rows: number): Benchmark => ({
  name: 'status',
  items: 1,
  bars: { [runtime]: 3 },
  prepare: async () => {
    const folder = await projections(rows);
    return {
      input: `a data folder with ${rows} files`,
      contenders: [
        { name: 'ours', command: ours('status', '--data-dir', folder) },
        { name: runtime, command: [node, '-e', '0'] },
      ],
    };
  },
});

const diffBars = { cmp: 2, 'comm -3': 1, 'csv-diff (Rust)': 0.5, duckdb: 1, pandas: 1 };
const changedBars = { 'comm -3': 1, 'csv-diff (Rust)': 1, duckdb: 1, pandas: 1 };

export const benchmarks: readonly Benchmark[] = [
  diff(200_000, 0.003, {}),
  diff(1_000_000, 0.003, diffBars, 'cmp'),
  diff(5_000_000, 0.003, diffBars),
  diff(1_000_000, 0.2, changedBars),
  snapshotExport(200_000),
  snapshotExport(1_000_000),
  snapshotExport(5_000_000),
  replay(200_000),
  replay(1_000_000),
  replay(5_000_000),
  append(1_000_000),
  consumption('pubsub', { count: 200_000, backlog: 1_000_000, bar: 1 / 0.6 }, startPubSub),
  consumption('sqs', { count: 50_000, backlog: 50_000, bar: 1 / 0.8 }, startSqs),
  startUp(1_000_000),
];

import type { FlagSettings, FlagValue } from '../config/config.ts';
import type { SettingName } from '../config/settings.ts';
import { ConfigError } from '../errors.ts';
import type { Context } from './context.ts';
import {
  aSource,
  bothSides,
  bothSidesAndTheSource,
  bothSidesAndWhatIsDrained,
  type NeedsOf,
  theBucket,
  theFileManager,
} from './needs.ts';

/** Flags as commander parsed them. */
export type Flags = { readonly [name: string]: string | boolean | undefined };

/**
 * One command: its words, its help, and how it is loaded. The code behind a command is loaded only when it runs, so that
 * `status` starts as fast as it can.
 */
export type CommandEntry = {
  readonly name: string;
  /** Of a group such as `quarantine`. */
  readonly group?: string;
  readonly arguments?: string;
  readonly summary: string;
  readonly options?: readonly (readonly [flags: string, meaning: string])[];
  readonly example: string;
  /** Flags that stand for a setting. */
  readonly settings?: Readonly<Record<string, SettingName>>;
  /** What it cannot run without. */
  readonly needs?: NeedsOf;
  /** Handed over to the daemon while it holds the data folder; otherwise the command is refused, naming the daemon. */
  readonly handedOver?: true;
  readonly run: (context: Context, words: readonly string[], flags: Flags) => Promise<number>;
};

/** The words that call an entry. */
export const nameOf = ({ group, name }: CommandEntry): string => (group ? `${group} ${name}` : name);

/** A flag as it is typed. */
export const typed = (flag: string): string => `--${flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** The settings that these flags of the entry stand for. */
export const settingsOf = ({ settings }: Pick<CommandEntry, 'settings'>, flags: Flags): FlagSettings => {
  const given: Partial<Record<SettingName, FlagValue>> = {};
  for (const [flag, setting] of Object.entries(settings ?? {})) {
    const value = flags[flag];
    if (typeof value === 'string') given[setting] = { flag: typed(flag), value };
  }
  return given;
};

const json = ['--json', 'print JSON'] as const;
const dryRun = ['--dry-run', 'only show what would be done'] as const;
const prefix = ['--prefix <prefix>', 'only keys that begin with PREFIX'] as const;
const concurrency = ['--concurrency <n>', 'operations under way at once (SYNC_CONCURRENCY)'] as const;
const all = ['--all', 'every message'] as const;
const source = ['--source <name>', 'pubsub, sqs or http (SOURCE)'] as const;

export const catalogue: readonly CommandEntry[] = [
  {
    name: 'demo',
    summary: 'run the whole main job on embedded servers, and prove both sides equal',
    options: [
      ['--pubsub', 'take events from the Google Pub/Sub emulator in place of the embedded queue'],
      ['--keep', 'leave everything running, and print where'],
    ],
    example: 's3-sync demo',
    run: async (context, _, flags) => (await import('./demo.ts')).runDemo(context, flags),
  },
  {
    name: 'initial-sync',
    summary: 'list the bucket, carry every file over, export the CSV; resumes where it was stopped',
    options: [['--resume', 'go on where an earlier run was stopped (always so)'], concurrency, prefix, dryRun, json],
    example: 's3-sync initial-sync --concurrency 16',
    needs: bothSides,
    settings: { concurrency: 'SYNC_CONCURRENCY' },
    handedOver: true,
    run: async (context, _, flags) => (await import('./sync.ts')).runInitialSync(context, flags),
  },
  {
    name: 'incremental-sync',
    summary: 'one cycle: drain the subscription, export, diff, plan, gate, apply, report',
    options: [
      ['--full', 'compare all rows, not only those that changed'],
      ['--no-drain', 'leave the subscription alone'],
      concurrency,
      source,
      ['--dry-run', 'carry nothing out, only show it; events are taken in as ever, but with --no-drain'],
      json,
    ],
    example: 's3-sync incremental-sync',
    needs: bothSidesAndWhatIsDrained,
    settings: { concurrency: 'SYNC_CONCURRENCY', source: 'SOURCE' },
    handedOver: true,
    run: async (context, _, flags) => (await import('./sync.ts')).runIncrementalSync(context, flags),
  },
  {
    name: 'daemon',
    summary: 'initial sync if needed, then subscribe and run a cycle every interval',
    options: [['--interval <seconds>', 'time between two cycles (SYNC_INTERVAL)'], concurrency, source],
    example: 's3-sync daemon --interval 60',
    needs: bothSidesAndTheSource,
    settings: { interval: 'SYNC_INTERVAL', concurrency: 'SYNC_CONCURRENCY', source: 'SOURCE' },
    run: async (context) => (await import('./subscribe.ts')).runDaemon(context),
  },
  {
    name: 'subscribe',
    summary: 'only consume, append and project, until stopped',
    options: [source],
    example: 's3-sync subscribe --source sqs',
    needs: aSource,
    settings: { source: 'SOURCE' },
    run: async (context) => (await import('./subscribe.ts')).runSubscribe(context),
  },
  {
    name: 'ingest',
    arguments: '<file>',
    summary: 'read events, one a line, from a file (or - for standard input) into the log',
    options: [['--format <name>', 'auto, native, cloudevents, s3, minio, ceph, storj, eventbridge or gcs'], json],
    example: 's3-sync ingest events.jsonl',
    run: async (context, [file = '-'], flags) => (await import('./ingest.ts')).runIngest(context, file, flags),
  },
  {
    name: 'publish',
    arguments: '<file>',
    summary: 'publish native events, one a line, to the configured topic or queue',
    options: [['--ordered', 'one ordering key a path']],
    example: 's3-sync publish events.jsonl',
    run: async (context, [file = '-'], flags) => (await import('./publish.ts')).runPublish(context, file, flags),
  },
  {
    name: 'replay',
    summary: 'fold the log again: without flags everything, swapped in at once',
    options: [
      ['--from <offset>', 'begin with the state just before OFFSET'],
      ['--to <offset>', 'end with OFFSET'],
      ['--into <file>', 'into another database, which must not exist'],
      ['--print', 'print the events as JSON lines in place of folding'],
      ['--rate <n>', 'events a second at most'],
    ],
    example: 's3-sync replay --from 1000 --to 2000 --print',
    run: async (context, _, flags) => (await import('./replay.ts')).runReplay(context, flags),
  },
  {
    name: 'snapshot',
    summary: 'export a projection as CSV, with its manifest',
    options: [
      ['--out <file>', 'where to; - is standard output (the default)'],
      ['--at <offset>', 'the state at that offset of the log'],
      ['--projection <name>', 'file (what the bucket holds) or mirror (what the file manager has)'],
    ],
    example: 's3-sync snapshot --out today.csv',
    run: async (context, _, flags) => (await import('./snapshot.ts')).runSnapshot(context, flags),
  },
  {
    name: 'diff',
    arguments: '<old.csv> <new.csv>',
    summary: 'print the operations that lead from one snapshot to the other',
    options: [['--summary', 'only their number by kind']],
    example: 's3-sync diff yesterday.csv today.csv',
    run: async (context, [old = '', now = ''], flags) => (await import('./diff.ts')).runDiff(context, old, now, flags),
  },
  {
    name: 'plan',
    summary: 'show what the next cycle would do and why; kept under an id',
    options: [json],
    example: 's3-sync plan',
    needs: bothSides,
    handedOver: true,
    run: async (context, _, flags) => (await import('./plan.ts')).runPlan(context, flags),
  },
  {
    name: 'apply',
    arguments: '<plan>',
    summary: 'carry out a plan that was shown, or that the safety gate holds',
    example: 's3-sync apply 3f9c0a1b2c3d4e5f',
    needs: bothSides,
    handedOver: true,
    run: async (context, [plan = '']) => (await import('./plan.ts')).runApply(context, plan),
  },
  {
    name: 'undo',
    arguments: '<plan>',
    summary: 'bring back what a plan deleted, from the trash of the file manager',
    options: [json],
    example: 's3-sync undo 3f9c0a1b2c3d4e5f',
    needs: theFileManager,
    handedOver: true,
    run: async (context, [plan = ''], flags) => (await import('./undo.ts')).runUndo(context, plan, flags),
  },
  {
    name: 'status',
    summary: 'events, operations, records, lag, last cycle, quarantine, gate',
    options: [json, ['--watch', 'again every two seconds']],
    example: 's3-sync status --json',
    run: async (context, _, flags) => (await import('./status.ts')).runStatus(context, flags),
  },
  {
    name: 'reconcile',
    summary: 'compare a fresh listing with the projection, append what is missing or stale',
    options: [
      ['--file-manager', 'list the file manager in its place, and record where it does not hold what it confirmed'],
      ['--checksum', 'with --file-manager: compare the bytes of every file; without it size, permissions and MD5'],
      dryRun,
      prefix,
      json,
    ],
    example: 's3-sync reconcile --dry-run',
    needs: (settings, flags) => (flags.fileManager === true ? bothSides : theBucket)(settings, flags),
    handedOver: true,
    run: async (context, _, { fileManager, checksum, ...flags }) => {
      const { runReconcile, runReconcileFileManager } = await import('./reconcile.ts');
      if (fileManager === true) return runReconcileFileManager(context, { ...flags, checksum: checksum === true });
      if (checksum === true) throw new ConfigError('--checksum goes with --file-manager');
      return runReconcile(context, flags);
    },
  },
  {
    name: 'verify',
    summary:
      'compare bucket, projection and file manager, a line a path: = same, - missing, + only there, * differs, ! could not be read',
    options: [['--checksum', 'compare the bytes of every file'], json],
    example: 's3-sync verify --checksum > check.txt',
    needs: bothSides,
    run: async (context, _, flags) => (await import('./verify.ts')).runVerify(context, flags),
  },
  {
    name: 'list',
    group: 'quarantine',
    summary: 'show the messages that could not be understood',
    options: [json],
    example: 's3-sync quarantine list',
    run: async (context, _, flags) => (await import('./quarantine.ts')).runQuarantineList(context, flags),
  },
  {
    name: 'show',
    group: 'quarantine',
    arguments: '<id>',
    summary: 'show one of them, with its raw bytes and the reason',
    options: [json],
    example: 's3-sync quarantine show 1',
    run: async (context, [id = ''], flags) => (await import('./quarantine.ts')).runQuarantineShow(context, id, flags),
  },
  {
    name: 'retry',
    group: 'quarantine',
    arguments: '[ids...]',
    summary: 'take messages in again, after a fix or an upgrade',
    options: [all, json],
    example: 's3-sync quarantine retry --all',
    handedOver: true,
    run: async (context, ids, flags) => (await import('./quarantine.ts')).runQuarantineRetry(context, ids, flags),
  },
  {
    name: 'drop',
    group: 'quarantine',
    arguments: '[ids...]',
    summary: 'remove messages for good',
    options: [all, json],
    example: 's3-sync quarantine drop 1 2',
    handedOver: true,
    run: async (context, ids, flags) => (await import('./quarantine.ts')).runQuarantineDrop(context, ids, flags),
  },
  {
    name: 'test',
    summary: 'end-to-end self test against what is configured',
    options: [json],
    example: 's3-sync test',
    needs: bothSides,
    handedOver: true,
    run: async (context, _, flags) => (await import('./self-test.ts')).runSelfTest(context, flags),
  },
  {
    name: 'file-manager',
    summary: 'run the reference file manager',
    options: [
      ['--root <dir>', 'folder to keep the files in; default DATA_DIR/files'],
      ['--port <port>', 'port to listen on; default 8001, 0 takes a free one'],
      ['--host <host>', 'address to listen on; default 127.0.0.1'],
    ],
    example: 's3-sync file-manager --root ./files --port 8001',
    run: async (context, _, flags) => (await import('./file-manager.ts')).runFileManager(context, flags),
  },
];

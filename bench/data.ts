import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BucketEvent } from '../events/event.ts';
import { versionToken } from '../events/order.ts';
import { projectionsVersion } from '../projections/schema.ts';
import { loadConfig } from '../src/config/config.ts';
import { openWorkspace } from '../src/data-folder/workspace.ts';
import { openLog } from '../src/log/log.ts';
import { logVersion } from '../src/log/schema.ts';
import { header } from '../src/snapshot/csv.ts';
import { randomOf } from '../test/support/seed.ts';

/** The inputs of the benchmarks: made from a seed, once, and kept under `.bench/` beside the code. */
export const dataFolder = join(import.meta.dirname, '..', '.bench');

const hex = (random: () => number, digits: number): string => {
  let text = '';
  while (text.length < digits)
    text += Math.floor(random() * 4_294_967_296)
      .toString(16)
      .padStart(8, '0');
  return text.slice(0, digits);
};

/** Makes a file under a temporary name first: an interrupted run leaves nothing that looks whole. */
const once_ = async (path: string, make: (temporary: string) => Promise<void>): Promise<string> => {
  if (existsSync(path)) return path;
  await mkdir(dataFolder, { recursive: true });
  await rm(`${path}.part`, { force: true });
  await make(`${path}.part`);
  await rename(`${path}.part`, path);
  return path;
};

const timeOf = (n: number): string => new Date(Date.UTC(2025, 0, 1) + n * 1000).toISOString();

const line = (random: () => number, n: number, etag: string): string =>
  `projects/${String(n >> 9).padStart(6, '0')}/assets/file-${String(n).padStart(9, '0')}.jpg,${n + 1},,${1 + Math.floor(random() * 1e7)},${etag},0644,${timeOf(n)},${n + 1}\n`;

const writeLines = async (path: string, lines: Iterable<string>): Promise<void> => {
  const out = createWriteStream(path, { highWaterMark: 1 << 20 });
  out.write(header);
  let text = '';
  for (const one of lines) {
    text += one;
    if (text.length < 1 << 18) continue;
    if (!out.write(text)) await once(out, 'drain');
    text = '';
  }
  out.end(text);
  await once(out, 'close');
};

/**
 * Two snapshots of `rows` rows; `share` of the rows differ: of ten, six have other content, one other permissions, one is
 * gone, one is new, one was renamed.
 */
export const snapshots = async (rows: number, share: number): Promise<{ old: string; now: string }> => {
  const name = `snapshot-${rows}`;
  const old = await once_(join(dataFolder, `${name}.csv`), (path) =>
    writeLines(
      path,
      (function* () {
        const random = randomOf(1);
        for (let n = 0; n < rows; n += 1) yield line(random, n, hex(random, 32));
      })(),
    ),
  );
  const now = await once_(join(dataFolder, `${name}-${share}.csv`), (path) =>
    writeLines(
      path,
      (function* () {
        const random = randomOf(1);
        const other = randomOf(2);
        for (let n = 0; n < rows; n += 1) {
          const same = line(random, n, hex(random, 32));
          if (other() >= share) {
            yield same;
            continue;
          }
          const kind = Math.floor(other() * 10);
          const [path = '', ...rest] = same.split(',');
          if (kind < 6) yield line(other, n, hex(other, 32));
          else if (kind === 6) yield same.replace(',0644,', ',0600,');
          else if (kind === 7) continue;
          else if (kind === 8)
            yield `${same}${path}.copy,${rows + n},,1,${hex(other, 32)},0644,${timeOf(n)},${rows + n}\n`;
          else yield `${path}.renamed,${rest.join(',')}`;
        }
      })(),
    ),
  );
  return { old, now };
};

/**
 * Native events of all five types with random ids and order tokens, as a busy bucket has them: of a hundred, 45 create new
 * files, 15 overwrite, 12 delete, 12 change permissions, 10 rename, 6 move; one in 20,000 is about a folder.
 */
export function* eventsOf(count: number, seed = 3): Generator<BucketEvent> {
  const random = randomOf(seed);
  const alive: string[] = [];
  let names = 0;
  const fresh = (): string => {
    names += 1;
    return `projects/${hex(random, 3)}/${hex(random, 2)}/file-${names.toString(36)}-${hex(random, 6)}.jpg`;
  };
  for (let n = 1; n <= count; n += 1) {
    const shared = { id: hex(random, 32), time: timeOf(n), version: versionToken(n), source: 'native' } as const;
    const content = () => ({ size: Math.floor(random() * 1e7), etag: hex(random, 32) });
    const draw = random() * 100;
    const at = Math.floor(random() * alive.length);
    const path = alive[at];
    if (random() < 1 / 20_000) {
      const folder = `archive/${n}/`;
      const drawn =
        draw < 50
          ? ({ type: 'create', path: folder } as const)
          : draw < 75
            ? ({
                type: 'change_permission',
                path: `projects/${hex(random, 3)}/${hex(random, 2)}/`,
                permissions: '0750',
              } as const)
            : ({ type: 'rename', path: `archive/${Math.floor(n / 2)}/`, to: folder } as const);
      yield { ...shared, ...drawn };
    } else if (path === undefined || draw < 45) {
      const created = fresh();
      alive.push(created);
      yield { ...shared, type: 'create', path: created, ...content() };
    } else if (draw < 60) yield { ...shared, type: 'create', path, ...content() };
    else if (draw < 72) {
      alive[at] = alive.at(-1) as string;
      alive.pop();
      yield { ...shared, type: 'delete', path };
    } else if (draw < 84)
      yield { ...shared, type: 'change_permission', path, permissions: random() < 0.5 ? '0640' : '0600' };
    else {
      const to =
        draw < 94
          ? `${path.slice(0, path.lastIndexOf('/') + 1)}${fresh().split('/').at(-1)}`
          : `${fresh().replace(/[^/]*$/, '')}${path.split('/').at(-1)}`;
      alive[at] = to;
      yield { ...shared, type: draw < 94 ? 'rename' : 'move', path, to };
    }
  }
}

/** Groups of at most `size`. */
export function* batchesOf<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** A log of `count` events. */
export const eventLog = (count: number): Promise<string> =>
  once_(join(dataFolder, `events-${count}-v${logVersion}.db`), async (path) => {
    const log = await openLog(path);
    for (const batch of batchesOf(eventsOf(count), 20_000)) await log.append(batch);
    await log.database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    await log.close();
  });

/** A data folder whose file table holds `rows` rows, and whose log is empty. */
export const projections = async (rows: number): Promise<string> => {
  const { old } = await snapshots(rows, 0.003);
  const folder = join(dataFolder, `data-${rows}-v${projectionsVersion}-${logVersion}`);
  await once_(join(folder, 'ready'), async (temporary) => {
    await mkdir(folder, { recursive: true });
    const workspace = await openWorkspace(loadConfig({ DATA_DIR: folder }), 'bench');
    await workspace.close();
    execFileSync('sqlite3', [
      join(folder, 'projections.db'),
      'PRAGMA journal_mode = WAL;',
      '.mode csv',
      'CREATE TEMP TABLE raw (path TEXT, file_id INTEGER, key TEXT, size INTEGER, etag TEXT, permissions TEXT, modified_at TEXT, "offset" INTEGER);',
      `.import --skip 1 ${old} raw`,
      'INSERT INTO file SELECT path, file_id, nullif(key, \'\'), size, etag, permissions, modified_at, "offset" FROM raw;',
      'PRAGMA wal_checkpoint(TRUNCATE);',
    ]);
    await writeFile(temporary, '');
  });
  return folder;
};

import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Bucket } from '../../src/bucket/bucket.ts';
import type { FileManagerClient } from '../../src/file-manager/client.ts';
import { stateFolder } from '../../src/file-manager/paths.ts';
import { quarantineRoom } from '../../src/log/quarantine.ts';
import { openLogForReading } from '../../src/log/read-log.ts';
import type { Producer } from './broker.ts';
import { type Held, md5Of } from './bucket.ts';

const entry = join(import.meta.dirname, '../../src/cli.ts');

type Environment = Readonly<Record<string, string>>;
type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

const run = async (args: readonly string[], environment: Environment): Promise<Ended> => {
  const options = { env: { PATH: process.env['PATH'] ?? '', ...environment, LOG_LEVEL: 'warn' }, maxBuffer: 2 ** 28 };
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [entry, ...args], options);
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
    return { code: Number(code), stdout: stdout ?? '', stderr: stderr ?? String(error) };
  }
};

/** The product's own comparison of the three sides, byte by byte; each line is a difference. */
export const verifyByCommand = async (environment: Environment): Promise<string[]> => {
  const { code, stdout, stderr } = await run(['verify', '--checksum'], environment);
  const different = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('= '));
  return code === 0 && different.length === 0
    ? []
    : [`verify ended with ${code} ${stderr.trim().slice(0, 500)}`, ...different];
};

/** What the bucket holds beside what its changer put there. */
export const compareBucket = async (bucket: Bucket, held: ReadonlyMap<string, Held>): Promise<string[]> => {
  const listed = new Map<string, string>();
  for await (const page of bucket.list()) for (const { key, etag } of page.objects) listed.set(key, etag);
  return differences('bucket', new Map([...held].map(([path, { body }]) => [path, md5Of(body)])), listed);
};

/** The file manager's disk, read without the file manager, and the permissions that it tells. */
export const compareFiles = async (
  root: string,
  fileManager: FileManagerClient,
  held: ReadonlyMap<string, Held>,
): Promise<string[]> => {
  const found = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(root.length + 1);
    if (entry.isFile() && !path.startsWith(`${stateFolder}/`)) found.set(path, md5Of(await readFile(join(root, path))));
  }
  const lines = differences('disk', new Map([...held].map(([path, { body }]) => [path, md5Of(body)])), found);
  for await (const { path, permissions } of fileManager.list()) {
    const wanted = held.get(path)?.permissions;
    if (wanted !== undefined && wanted !== permissions)
      lines.push(`file manager: ${path} has permissions ${permissions}, not ${wanted}`);
  }
  return lines;
};

const differences = (
  side: string,
  wanted: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): string[] => [
  ...[...wanted].flatMap(([path, md5]) => {
    const there = found.get(path);
    return there === md5 ? [] : [`${side}: ${path} ${there === undefined ? 'is missing' : 'has another content'}`];
  }),
  ...[...found.keys()].filter((path) => !wanted.has(path)).map((path) => `${side}: ${path} should not be there`),
];

/**
 * The log holds each published event once, without holes, beside it only what the bucket told of a rename, and each message that
 * is no event lies in quarantine once.
 */
export const compareLog = async (path: string, producer: Producer): Promise<string[]> => {
  const log = await openLogForReading(path);
  try {
    const { database } = log;
    const ids = await database.all<{ id: string }>(
      "SELECT id FROM event WHERE id GLOB 'soak-*' AND id NOT GLOB '*+now:*'",
    );
    const known = new Set(ids.map(({ id }) => id));
    const lines = [...producer.ids].filter((id) => !known.has(id)).map((id) => `log: ${id} is lost`);
    for (const { id } of ids) if (!producer.ids.has(id)) lines.push(`log: ${id} was never published`);
    const counts = await database.get<{ events: number; last: number }>(
      'SELECT count(*) AS events, max("offset") AS last FROM event',
    );
    if (counts?.events !== counts?.last) lines.push(`log: ${counts?.events} events up to offset ${counts?.last}`);
    const { entries: quarantined } = await quarantineRoom(database);
    if (quarantined !== producer.garbage()) lines.push(`quarantine: ${quarantined} messages of ${producer.garbage()}`);
    return lines;
  } finally {
    await log.close();
  }
};

/** A rebuild from the log gives the same bytes as what was folded between all the kills. Needs the daemon to have ended. */
export const compareReplay = async (environment: Environment): Promise<string[]> => {
  const tables = async (): Promise<string[]> => {
    const file = await run(['snapshot'], environment);
    const mirror = await run(['snapshot', '--projection', 'mirror'], environment);
    return [file.stdout, mirror.stdout];
  };
  const [file, mirror] = await tables();
  const { code, stderr } = await run(['replay'], environment);
  if (code !== 0) return [`replay ended with ${code} ${stderr.trim().slice(0, 500)}`];
  const [fileAgain, mirrorAgain] = await tables();
  return [
    ...(file === fileAgain && file !== '' ? [] : ['replay: another file table']),
    ...(mirror === mirrorAgain && mirror !== '' ? [] : ['replay: another mirror']),
  ];
};

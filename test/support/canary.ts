import { createReadStream, type Dirent, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { canary } from '../../scripts/canary.ts';

/** Secrets that a test run configures wherever it names none of its own, with the access keys that they belong to. */
export const secrets = {
  CUSTOMER_S3_ACCESS_KEY: 'test',
  BACKUP_S3_ACCESS_KEY: 'test',
  CUSTOMER_S3_SECRET_KEY: `${canary}-s3`,
  FILE_MANAGER_TOKEN: `${canary}-token`,
  BACKUP_S3_SECRET_KEY: `${canary}-backup`,
} as const;

const holdsCanary = async (path: string): Promise<boolean> => {
  let tail = '';
  for await (const chunk of createReadStream(path)) {
    const text = tail + (chunk as Buffer).toString('latin1');
    if (text.includes(canary)) return true;
    tail = text.slice(-canary.length);
  }
  return false;
};

/** What vanishes in the meantime is nothing: another process may still be at work there, or was killed at it. */
const entriesOf = (folder: string): Promise<Dirent[]> =>
  readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });

/** The files beneath a folder in whose names or bytes a secret stands. */
export const filesWithSecrets = async (folder: string): Promise<string[]> => {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  const found: string[] = [];
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (path.includes(canary) || (entry.isFile() && (await holdsCanary(path).catch(() => false)))) found.push(path);
    if (entry.isDirectory()) found.push(...(await filesWithSecrets(path)));
  }
  return found;
};

/** Throws when a secret stands in what was written: the test that wrote it fails. */
export const insistOnNoSecret = (text: string, where: string): void => {
  if (text.includes(canary)) throw new Error(`a secret stands in ${where}`);
};

/** The same for everything beneath a folder. */
export const insistOnNoSecretIn = async (folder: string): Promise<void> => {
  const found = await filesWithSecrets(folder);
  if (found.length > 0) throw new Error(`a secret stands in ${found.join(', ')}`);
};

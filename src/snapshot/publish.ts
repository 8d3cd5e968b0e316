import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { asDiskError } from '../disk-error.ts';
import { failpoint } from '../failpoint.ts';

/**
 * Publishes a file: written under a temporary name, synced, renamed, and the folder synced. A reader sees the old file or
 * the whole new one; a crash leaves at most a temporary file. Throws FatalError that says what is wrong with the disk.
 */
export const publishFile = async (
  path: string,
  write: (append: (text: string | Buffer) => Promise<void>) => Promise<void>,
): Promise<void> => {
  const temporary = `${path}.tmp-${process.pid}`;
  failpoint('publish.before');
  try {
    await publish(path, temporary, write);
  } catch (error) {
    // A full disk has other uses for the space.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw asDiskError(error, path);
  }
};

/** Text that is gathered before it is written: a text of all lines may be longer than a text can be. */
const lotLength = 1 << 20;

/** Publishes a file of a line for each item, in memory that does not grow with their number. */
export const publishLines = <T>(path: string, items: Iterable<T>, lineOf: (item: T) => string): Promise<void> =>
  publishFile(path, async (append) => {
    let lot = '';
    for (const item of items) {
      lot += `${lineOf(item)}\n`;
      if (lot.length < lotLength) continue;
      await append(lot);
      lot = '';
    }
    await append(lot);
  });

const publish = async (
  path: string,
  temporary: string,
  write: (append: (text: string | Buffer) => Promise<void>) => Promise<void>,
): Promise<void> => {
  const file = await open(temporary, 'w');
  try {
    await write(async (text) => {
      await file.appendFile(text);
    });
    failpoint('publish.written');
    await file.sync();
  } finally {
    await file.close();
  }
  failpoint('publish.synced');
  await rename(temporary, path);
  failpoint('publish.renamed');
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  failpoint('publish.done');
};

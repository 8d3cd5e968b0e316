import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Publishes a file: written under a temporary name, synced, renamed, and the folder synced. A reader sees the old file or
 * the whole new one; a crash leaves at most a temporary file.
 */
export const publishFile = async (
  path: string,
  write: (append: (text: string | Buffer) => Promise<void>) => Promise<void>,
): Promise<void> => {
  const temporary = `${path}.tmp-${process.pid}`;
  const file = await open(temporary, 'w');
  try {
    await write(async (text) => {
      await file.appendFile(text);
    });
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
};

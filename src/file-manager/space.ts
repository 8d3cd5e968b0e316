import { statfs } from 'node:fs/promises';
import { noSpace } from './problem.ts';

/** Twice what the state's write-ahead log grows to before it begins anew; of a small disk an eighth. */
const spareBytesMax = 8 * 1024 * 1024;

/**
 * Throws where a save would take the last of the disk, of which deletes need some too: what they free comes after what they
 * note. `bytes` are still to be stored.
 */
export const insistOnSpare = async (folder: string, bytes: number): Promise<void> => {
  const { bavail, blocks, bsize } = await statfs(folder);
  if (bavail * bsize < bytes + Math.min(spareBytesMax, (blocks * bsize) / 8)) throw noSpace();
};

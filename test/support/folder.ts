import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh folder for one test, removed by the runner when the run has ended. */
export const freshFolder = async (): Promise<string> => mkdtemp(join(tmpdir(), 's3-sync-test-'));

export const removeFolder = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true });

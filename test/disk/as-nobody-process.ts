/**
 * Opens a data folder for writing, and then its status, as a user who owns nothing, and prints how each ended. Everything
 * is loaded before: that user may not even read the sources.
 */
import { loadConfig } from '../../src/config/config.ts';
import { openWorkspace } from '../../src/data-folder/workspace.ts';
import { messageOf } from '../../src/errors.ts';
import { readStatus } from '../../src/status/status.ts';

const nobody = 65_534;

const config = loadConfig({ DATA_DIR: process.argv[2] });
if (process.getuid?.() === 0) {
  process.setgroups?.([nobody]);
  process.setgid?.(nobody);
  process.setuid?.(nobody);
}
const tried = async (work: () => Promise<unknown>): Promise<string> => {
  try {
    await work();
    return 'done';
  } catch (error) {
    return `${error instanceof Error ? error.name : ''}: ${messageOf(error)}`;
  }
};
const write = await tried(async () => (await openWorkspace(config, 'test')).close());
const read = await tried(() => readStatus(config));
process.stdout.write(JSON.stringify({ write, read }));

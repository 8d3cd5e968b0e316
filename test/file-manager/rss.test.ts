import { execFile } from 'node:child_process';
import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { serverProcess } from './child.ts';

const mebibyte = 1_048_576;

test('uploading 2 GiB keeps the peak RSS of the client process under 256 MiB', async (t) => {
  t.timeout(170_000);
  const root = await realpath(await freshFolder());
  t.teardown(() => removeFolder(root));
  const server = await serverProcess(t, root);
  const length = 2048 * mebibyte;
  const script = fileURLToPath(new URL('./upload-process.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, server.url, String(length)]);
  t.is((await stat(join(root, 'large'))).size, length);
  const peakMebibytes = Math.round(Number(stdout) / 1024);
  t.log(`peak RSS of the client: ${peakMebibytes} MiB`);
  t.true(peakMebibytes > 0 && peakMebibytes < 256);
});

import { startFileManager } from '../../src/file-manager/server.ts';

/** A file manager in a process of its own, so that a test can kill it: argument root, prints its URL. */
const [root] = process.argv.slice(2);
if (root === undefined) throw new Error('usage: server-process.ts ROOT');
const { url } = await startFileManager({ root, host: '127.0.0.1', port: 0 });
process.stdout.write(`${url}\n`);

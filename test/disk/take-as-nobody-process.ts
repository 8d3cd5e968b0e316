/**
 * Takes the requests of a data folder as a user who owns nothing else, until standard input ends, and prints how many it has
 * carried out. Everything is loaded before: that user may not even read the sources.
 */
import { takeRequests } from '../../src/data-folder/hand-over.ts';

const nobody = 65_534;

if (process.getuid?.() === 0) {
  process.setgroups?.([nobody]);
  process.setgid?.(nobody);
  process.setuid?.(nobody);
}
const stop = new AbortController();
process.stdin.resume().once('end', () => stop.abort());
let carried = 0;
await takeRequests(
  process.argv[2] as string,
  async () => {
    carried += 1;
    return { code: 3 };
  },
  stop.signal,
);
process.stdout.write(`${carried}`);

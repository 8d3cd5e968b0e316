import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { createProgress, endProgressLine } from '../../src/commands/progress.ts';
import { createLogger } from '../../src/logger.ts';

/** What progress writes to a terminal. */
const onTerminal = async (work: () => Promise<void>): Promise<string> => {
  const { isTTY, write } = process.stderr;
  let written = '';
  Object.assign(process.stderr, { isTTY: true, write: (text: string) => ((written += text), true) });
  try {
    await work();
  } finally {
    Object.assign(process.stderr, { isTTY, write });
  }
  return written;
};

test.serial('a line of progress is ended once: by its last step, or by what follows it', async (t) => {
  const known = await onTerminal(async () => {
    const progress = createProgress(createLogger('silent'), 'replaying', 'events');
    await sleep(250);
    progress(1, 2);
    progress(2, 2);
    endProgressLine();
  });
  t.regex(known, /replaying: 2 of 2 events, \d+\/s\n$/);
  const unknown = await onTerminal(async () => {
    const progress = createProgress(createLogger('silent'), 'reading events', 'messages');
    await sleep(250);
    progress(1213);
    endProgressLine();
    endProgressLine();
  });
  t.regex(unknown, /reading events: 1213 messages, \d+\/s\n$/);
});

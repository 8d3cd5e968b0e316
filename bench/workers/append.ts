/** Appends and projects the events of a JSON-lines file in batches as they come from a broker: FILE DATA_DIR BATCH. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { BucketEvent } from '../../events/event.ts';
import { openLog } from '../../src/log/log.ts';
import { createFollower } from '../../src/projector/follow.ts';
import { openProjector } from '../../src/projector/projector.ts';

const [file = '', folder = '', size = '5000'] = process.argv.slice(2);
const logPath = join(folder, 'events.db');
const log = await openLog(logPath);
const projector = await openProjector({ path: join(folder, 'projections.db'), logPath, logId: log.logId });
const follower = createFollower(projector);

/** By hand, since readline's cost for each line would be taken for the append's. */
const batches = async function* (): AsyncGenerator<BucketEvent[]> {
  let batch: BucketEvent[] = [];
  /** What follows the last line's end. */
  let rest = '';
  for await (const chunk of createReadStream(file, { encoding: 'utf8' })) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      batch.push(JSON.parse(line) as BucketEvent);
      if (batch.length < Number(size)) continue;
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
};

const reader = batches();
for (let next = reader.next(); ; ) {
  const { done, value: batch = [] } = await next;
  if (done) break;
  await follower.ready();
  const appending = log.append(batch);
  // A broker goes on delivering while a batch is appended.
  next = reader.next();
  const { events } = await appending;
  follower.grown(events.length, events);
}
await follower.end();
await projector.close();
await log.close();

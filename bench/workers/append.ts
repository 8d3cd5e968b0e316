/** Appends and projects the events of a JSON-lines file in batches as they come from a broker: FILE DATA_DIR BATCH. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { BucketEvent } from '../../events/event.ts';
import { openLog } from '../../src/log/log.ts';
import { createFollower } from '../../src/projector/follow.ts';
import { openProjector } from '../../src/projector/projector.ts';

const [file = '', folder = '', size = '5000'] = process.argv.slice(2);
const logPath = join(folder, 'events.db');
const log = await openLog(logPath);
const projector = await openProjector({ path: join(folder, 'projections.db'), logPath, logId: log.logId });
const follower = createFollower(projector);
let batch: BucketEvent[] = [];
const commit = async (): Promise<void> => {
  await follower.ready();
  const { events } = await log.append(batch);
  follower.grown(events.length, events);
  batch = [];
};
for await (const line of createInterface({ input: createReadStream(file) })) {
  batch.push(JSON.parse(line) as BucketEvent);
  if (batch.length === Number(size)) await commit();
}
await commit();
await follower.end();
await projector.close();
await log.close();

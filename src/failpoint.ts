/**
 * Named places at which a test may end the process, as a power cut or `kill -9` would: `FAILPOINT=ack.before` ends it where
 * `ack.before` is reached first, `FAILPOINT=ack.before:3` the third time. Off, a place costs one comparison.
 * `test/crash/` ends a process at each of them, starts it again, and compares what came of it.
 */
export const failpoints = {
  service: [
    'receive.after',
    'append.before',
    'append.written',
    'append.committed',
    'quarantine.before',
    'quarantine.written',
    'fold.before',
    'fold.written',
    'fold.committed',
    'ack.before',
    'ack.after',
    'publish.before',
    'publish.written',
    'publish.synced',
    'publish.renamed',
    'publish.done',
    'cycle.begun',
    'cycle.planned',
    'cycle.applied',
    'cycle.forgotten',
    'cycle.folded',
    'cycle.dropped',
    'cycle.remembered',
    'cycle.reported',
    'under-way.before',
    'under-way.committed',
    'step.before',
    'step.opened',
    'step.permitted',
    'step.after',
    'outcomes.before',
    'outcomes.after',
    'report.before',
    'report.taken',
    'report.removed',
  ],
  scan: ['scan.page.before', 'scan.page.appended', 'scan.gone.before', 'scan.gone.appended'],
  undo: ['undo.noted', 'undo.answered', 'undo.recorded'],
  handOver: ['hand-over.taken', 'hand-over.carried', 'hand-over.answered'],
  ids: ['ids.before', 'ids.written'],
  replay: ['replay.folded', 'replay.retired', 'replay.swapped'],
  http: ['http.received', 'http.answer.before', 'http.answer.after'],
  fileManager: [
    'disk.received',
    'disk.mode',
    'disk.rename.before',
    'disk.rename.unsynced',
    'disk.rename.after',
    'state.commit.before',
    'state.commit.written',
    'state.commit.after',
    'intent.committed',
    'intent.moved',
    'intent.written',
    'intent.finished',
    'intent.tidied',
  ],
} as const;

export type Failpoint = (typeof failpoints)[keyof typeof failpoints][number];

const [name, times] = (process.env['FAILPOINT'] ?? '').split(':');
let left = Number(times ?? 1);

export const failpoint = (here: Failpoint): void => {
  if (here !== name) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
};

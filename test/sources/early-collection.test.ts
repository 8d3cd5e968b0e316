import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';

/** Peak of the heap, in bytes, of a process that replaces messages once they have grown old, as a queue of them does. */
const peakHeap = (...prelude: string[]): number => {
  const module = JSON.stringify(join(import.meta.dirname, '..', '..', 'src', 'sources', 'early-collection.ts'));
  const script = `
    import { getHeapStatistics } from 'node:v8';
    const { collectEarly } = await import(${module});
    ${prelude.join('\n')}
    const held = [];
    let peak = 0;
    for (let at = 0; at < 2_000_000; at++) {
      held[at % 300_000] = { at, body: [at, at + 1, at + 2] };
      if (at % 2_000 === 0) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        peak = Math.max(peak, getHeapStatistics().used_heap_size);
      }
    }
    console.log(peak);`;
  const options = ['--max-semi-space-size=1', '--input-type=module', '--eval', script];
  return Number(execFileSync(process.execPath, options, { encoding: 'utf8' }));
};

test('what has grown old and is not needed is collected before the heap is several times what is alive', (t) => {
  const [early, late] = [peakHeap('collectEarly();'), peakHeap()];
  t.log(`${Math.round(early / 1e6)} MB, and ${Math.round(late / 1e6)} MB without it`);
  t.true(early < late * 0.75);
});

export type Counts = { readonly passed: number; readonly failed: number; readonly skipped: number };

export type TapLine = { readonly kind: 'passed' | 'failed' | 'skipped' | 'unfinished'; readonly title: string };

const result = /^(ok|not ok) \d+ - (.*)$/;
const remaining = /^# (\d+) tests? remaining in (.*)$/;

/** What one line of AVA's TAP output says about tests; undefined when it says nothing about any. */
export const readTapLine = (line: string): (TapLine & { readonly count: number }) | undefined => {
  const left = remaining.exec(line);
  if (left) return { kind: 'unfinished', title: `${left[1]} tests never ended in ${left[2]}`, count: Number(left[1]) };
  const match = result.exec(line);
  if (!match) return undefined;
  const title = match[2] ?? '';
  if (/ # SKIP\s*$/.test(title)) return { kind: 'skipped', title, count: 1 };
  return { kind: match[1] === 'ok' ? 'passed' : 'failed', title, count: 1 };
};

/** A test that never ended has failed, and so has a test file that crashed (its `not ok` names the file). */
export const addTapLine = (counts: Counts, line: ReturnType<typeof readTapLine>): Counts => ({
  passed: counts.passed + (line?.kind === 'passed' ? line.count : 0),
  failed: counts.failed + (line?.kind === 'failed' || line?.kind === 'unfinished' ? line.count : 0),
  skipped: counts.skipped + (line?.kind === 'skipped' ? line.count : 0),
});

export const addCounts = (a: Counts, b: Counts): Counts => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
});

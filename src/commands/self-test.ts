import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCode, FatalError, messageOf } from '../errors.ts';
import { harmless, harmlessLine } from '../harmless.ts';
import { exportPlaces, exportSnapshot } from '../snapshot/export.ts';
import { readStatus } from '../status/status.ts';
import { beside, counted } from '../text.ts';
import { signOf } from '../verify/verify.ts';
import { bucketOf, type Context, fileManagerOf } from './context.ts';
import { openSource, sourceNameOf } from './sources.ts';
import { exitCodeOf, incrementalSync } from './sync.ts';
import { isEqual, verifySides } from './verify.ts';

type Check = { readonly name: string; readonly ok: boolean; readonly detail: string; readonly duration_ms: number };

const connectMs = 10_000;

/** A check for a person. What its detail goes on with is no line that could pass for another check. */
const textOf = ({ name, ok, detail }: Check): string => {
  const label = `${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(20)} `;
  const lines = harmless(detail).split('\n');
  return `${lines.map((line, at) => beside(at === 0 ? label : ' '.repeat(label.length), line)).join('\n')}\n`;
};

/** End-to-end self test against what is configured. Every check runs; the exit code says whether all of them held. */
export const runSelfTest = async (context: Context, flags: { json?: boolean }): Promise<number> => {
  // First of all: where the daemon has it, all of this is handed over.
  const workspace = await context.openWorkspace();
  const checks: Check[] = [];
  const check = async (name: string, work: () => Promise<string>): Promise<void> => {
    const started = Date.now();
    const [ok, detail] = await work().then(
      (text): [boolean, string] => [true, text],
      (error: unknown): [boolean, string] => [false, messageOf(error)],
    );
    const result = { name, ok, detail, duration_ms: Date.now() - started };
    checks.push(result);
    context.print(flags.json ? `${JSON.stringify(result)}\n` : textOf(result));
  };

  await check('bucket', async () => {
    const bucket = bucketOf(context);
    try {
      await bucket.check({ signal: AbortSignal.timeout(connectMs) });
      return `${bucket.name} can be listed`;
    } finally {
      bucket.close();
    }
  });
  await check('file manager', async () => {
    const { name, version, capabilities } = await fileManagerOf(context).describe({
      signal: AbortSignal.timeout(connectMs),
    });
    return `${name} ${version} (${capabilities.join(', ') || 'no extras'})`;
  });
  await check('subscription', async () => {
    const name = sourceNameOf(context.config);
    if (!name) return 'none is configured';
    if (name === 'http') return 'http: the daemon listens';
    const source = await openSource(context, name);
    const limits = { messagesMax: 1, bytesMax: 1, lingerMs: 0 };
    try {
      await source.nack(await source.receive(limits, { signal: context.signal, idleMs: 500 }));
    } finally {
      await source.close();
    }
    return `${name} can be received from`;
  });
  try {
    await check(
      'database',
      async () => `log offset ${await workspace.log.last()}, projections at ${workspace.projector.meta().checkpoint}`,
    );
    await check('incremental sync', async () => {
      const result = await incrementalSync(context, workspace, {});
      if (exitCodeOf(result) !== exitCode.done)
        throw new FatalError(
          result.report.failures[0]?.reason ?? result.report.stopped ?? 'not everything was carried over',
        );
      return `${result.report.status}, ${counted(result.plan.steps.length, 'operation')}`;
    });
    await check('CSV export', async () => {
      const folder = await mkdtemp(join(tmpdir(), 's3-sync-test-'));
      try {
        const path = join(folder, 'file.csv');
        const { rows } = await workspace.projector.database.reading((queries) =>
          exportSnapshot(queries, exportPlaces(path), { table: 'file', offset: workspace.projector.meta().checkpoint }),
        );
        return `${counted(rows, 'row')}, ${counted((await stat(path)).size, 'byte')}`;
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  } finally {
    await workspace.close();
  }
  await check('final state', async () => {
    const differing: string[] = [];
    const counts = await verifySides(context, false, (line) => {
      if (!line || signOf(line) === '=' || differing.length >= 5) return;
      differing.push(harmlessLine(`${signOf(line)} ${line.path}${line.detail ? ` (${line.detail})` : ''}`));
    });
    if (!isEqual(counts)) throw new FatalError(`the sides differ: ${differing.join(', ')}`);
    return `${counted(counts.same, 'file')} equal on all three sides`;
  });
  await check('status', async () => {
    const status = await readStatus(context.config);
    if (status.projections.lag_events > 0)
      throw new FatalError(`${counted(status.projections.lag_events, 'event')} behind`);
    return `${counted(status.records.files, 'file')}, ${status.log.quarantine} in quarantine`;
  });
  const failed = checks.filter(({ ok }) => !ok).length;
  if (!flags.json) context.print(`${checks.length - failed} of ${checks.length} checks hold\n`);
  return failed === 0 ? exitCode.done : exitCode.failed;
};

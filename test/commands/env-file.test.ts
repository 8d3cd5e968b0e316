import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { unknownNames } from '../../src/config/unknown.ts';
import { startCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';

/** Runs `status` in a folder with that `.env`. */
const statusWith = async (
  content: string | Buffer,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; stderr: string; stdout: string; folder: string }> => {
  const folder = await freshFolder();
  await mkdir(join(folder, 'data'));
  await writeFile(join(folder, '.env'), content);
  const result = await startCli(['status'], { DATA_DIR: join(folder, 'data'), ...environment }, folder).finished;
  return { ...result, folder };
};

test('a byte order mark hides no setting', async (t) => {
  const { code, stderr, folder } = await statusWith('\ufeffSYNC_INTERVAL=soon\n');
  t.is(code, 2, stderr);
  t.regex(stderr, /SYNC_INTERVAL: .*"soon"/);
  t.true(stderr.includes(`settings were read from ${join(folder, '.env')}\n`), stderr);
});

const utf16 = Buffer.from('GATE_DELETE_MAX=1\r\n', 'utf16le');
for (const [title, content] of [
  ['with a byte order mark', Buffer.concat([Buffer.from([0xff, 0xfe]), utf16])],
  ['without one', utf16],
  ['the other way round', Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(utf16).swap16()])],
] as const)
  test(`a .env in UTF-16, ${title}, is refused: it would be ignored as a whole`, async (t) => {
    const { code, stderr } = await statusWith(content);
    t.is(code, 2, stderr);
    t.regex(stderr, /the settings in .*\.env cannot be read \(UTF-16, or no text at all\): save the file as UTF-8/);
  });

test('a variable that is empty does not hide what the file says', async (t) => {
  for (const SYNC_INTERVAL of ['', ' ']) {
    const { code, stderr } = await statusWith('SYNC_INTERVAL=soon\n', { SYNC_INTERVAL });
    t.is(code, 2, stderr);
    t.regex(stderr, /SYNC_INTERVAL: .*"soon"/);
  }
});

const warned = (stderr: string): unknown[] =>
  stderr
    .split('\n')
    .filter((line) => line.includes('this is no setting'))
    .map((line) => {
      const { name, meant } = JSON.parse(line) as { name: string; meant?: string };
      return [name, meant];
    });

test('a name that is no setting is told of once, with the one that was meant', async (t) => {
  const file = 'SYNC_INTERVALL=5\nsync_concurrency=3\nOTHER_THING=1\nAWS_PROFILE=p\nCYCLES_KEPT=2\n';
  const foreign = { HTTP_PROXY: 'x', LOGLEVEL: 'x', DATABASE_PASS: 'x', FILE_MANAGER_PORT_8001_TCP: 'x' };
  const { code, stderr } = await statusWith(file, { ...foreign, GATE_DELETE_MAXX: '1', CUSTOMER_S3_KEY: 'x' });
  t.is(code, 0, stderr);
  t.deepEqual(warned(stderr).sort(), [
    ['CUSTOMER_S3_KEY', undefined],
    ['GATE_DELETE_MAXX', 'GATE_DELETE_MAX'],
    ['OTHER_THING', undefined],
    ['SYNC_INTERVALL', 'SYNC_INTERVAL'],
    ['sync_concurrency', 'SYNC_CONCURRENCY'],
  ]);
});

test('a misspelt name is told of beside what is missing for it', async (t) => {
  const { code, stderr } = await statusWith('CUSTOMER_S3_SECRET_KYE=x\n', { CUSTOMER_S3_SECRET_KEY: '' });
  t.is(code, 2, stderr);
  t.regex(
    stderr,
    /^ {2}CUSTOMER_S3_SECRET_KEY: not set, [^]*^CUSTOMER_S3_SECRET_KYE is no setting: did you mean CUSTOMER_S3_SECRET_KEY\?$/m,
  );
});

const meantIn = (t: ExecutionContext, name: string, meant: string | undefined): void => {
  t.deepEqual(unknownNames([name], { path: '.env' }), meant === undefined ? [] : [{ name, meant }]);
};

test("of the environment, which is everybody's, only what can be nothing else is told of", (t) => {
  meantIn(t, 'SYNC_INTREVAL', 'SYNC_INTERVAL');
  meantIn(t, 'REPORT_URL', 'REPORT_URLS');
  meantIn(t, 'FILE_MANAGER_API_URI', 'FILE_MANAGER_API_URL');
  meantIn(t, 'BACKUP_S3_SECRET', 'BACKUP_S3_SECRET_KEY');
  for (const name of ['PATH', 'SOURCES', 'DATADIR', 'HTTPS_PORT', 'SNS_ENDPOINT', 'DATABASE_URL', 'SYNC_SERVICE_PORT'])
    meantIn(t, name, undefined);
});

test('a line of the file that sets nothing is told of by its number, and never shown', async (t) => {
  const kept = '# GATE_DELETE_MAX 1\n\nexport A_SETTING="one\nGATE_DELETE_MAX: 2\nthree"\n';
  const { code, stderr } = await statusWith(`${kept}GATE_DELETE_MAX: tenfold\nc2VjcmV0 MII\nSYNC_INTERVAL=5\n`);
  t.is(code, 0, stderr);
  const told = stderr.split('\n').filter((line) => line.includes('sets nothing'));
  t.deepEqual(
    told
      .map((line) => JSON.parse(line) as object)
      .map(({ line, name }: { line?: number; name?: string }) => [line, name]),
    [
      [6, 'GATE_DELETE_MAX'],
      [7, undefined],
    ],
  );
  t.notRegex(stderr, /c2VjcmV0|tenfold/);
  const refused = await statusWith('FILE_MANAGER_API_URL http://x\nSYNC_INTERVAL=soon\n');
  t.regex(refused.stderr, /line 1 of \.env sets nothing: write FILE_MANAGER_API_URL=value/);
});

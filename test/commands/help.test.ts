import test from 'ava';
import { runCli } from '../support/cli.ts';

const titleOf = (text: string): string => text.split('\n')[0] as string;

for (const [words, usage] of [
  ['help', 's3-sync [options] [command]'],
  ['help quarantine list', 's3-sync quarantine list [options]'],
  ['quarantine help list', 's3-sync quarantine list [options]'],
  // Nothing is carried out, whatever follows.
  ['help apply 3f9c', 's3-sync apply [options] <plan>'],
] as const)
  test(`'${words}' shows the help of what it names`, async (t) => {
    const { code, stdout, stderr } = await runCli(words.split(' '), {});
    t.deepEqual([code, stderr, titleOf(stdout)], [0, '', `Usage: ${usage}`]);
  });

for (const [words, told] of [
  ['help statuss', "error: unknown command 'statuss'\n(Did you mean status?)"],
  ['help quarantine lst', "error: unknown command 'lst'\n(Did you mean list?)"],
  ['quarantine help lst', "error: unknown command 'lst'\n(Did you mean list?)"],
] as const)
  test(`'${words}' is refused by what it does not know, like the word itself`, async (t) => {
    const { code, stdout, stderr } = await runCli(words.split(' '), {});
    t.deepEqual([code, stdout, stderr], [2, '', `${told}\n(s3-sync help shows the commands)\n`]);
  });

import test from 'ava';
import type { Command } from 'commander';
import { catalogue } from '../../src/commands/catalogue.ts';
import { ConfigError } from '../../src/errors.ts';
import { createProgram } from '../../src/program.ts';
import { everywhere, type Given, insistOnValues, readWords } from '../../src/words.ts';
import { randomOf, seedOf } from '../support/seed.ts';

const silence = (command: Command): void => {
  command.exitOverride().configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  command.commands.forEach(silence);
};

/** What commander makes of a command line; undefined where it refuses it, or shows help. */
const oracle = async (line: readonly string[]): Promise<Given | undefined> => {
  let given: Given | undefined;
  const program = createProgram(async (all) => {
    given = all;
  });
  silence(program);
  try {
    await program.parseAsync(line, { from: 'user' });
  } catch {
    return undefined;
  }
  return given;
};

test('a command line that is read without commander is read as commander reads it', async (t) => {
  const seed = seedOf(t);
  const random = randomOf(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const odd = ['-', '--', '-h', '--help', 'help', '', 'list', '--summary=1', '--data-dir=x', '--no', '-1', '--unknown'];
  let read = 0;
  for (let run = 0; run < 3_000; run += 1) {
    const entry = pick(catalogue);
    const flags = [...(entry.options ?? []), ...everywhere].map(([option]) => option.split(' '));
    const line = [entry.group, entry.name].filter((word) => word !== undefined);
    for (let more = Math.floor(random() * 5); more > 0; more -= 1) {
      const [flag = '', value] = pick(flags);
      if (random() < 0.6) line.push(flag, ...(value && random() < 0.9 ? [pick(['1', 'a b', 'x'])] : []));
      else line.push(random() < 0.8 ? pick(['a.csv', 'b.csv']) : pick(odd));
    }
    const given = readWords(line, catalogue);
    if (!given) continue;
    read += 1;
    const { entry: wanted, words, flags: set } = (await oracle(line)) ?? {};
    t.is(given.entry, wanted as Given['entry'], `${line.join(' ')}, SEED=${seed}`);
    t.deepEqual([given.words, given.flags], [words, { ...set }], `${line.join(' ')}, SEED=${seed}`);
  }
  t.true(read > 300, `${read} were read`);
});

test('help, mistakes and what is said in another way are left to commander', (t) => {
  const lines = ['', 'help', 'diff', 'diff a', 'diff a b c', 'diff a b --help', 'diff a b --data-dir', 'diff a b --x'];
  for (const line of [...lines, 'quarantine', 'quarantine none', 'status x', 'status -h', 'diff --data-dir=x a b'])
    t.is(readWords(line.split(' '), catalogue), undefined, line);
  t.is(readWords(['quarantine list'], catalogue), undefined, 'two words in one');
  t.deepEqual(readWords(['diff', 'a', '--data-dir', 'x', 'b', '--summary'], catalogue)?.flags, {
    dataDir: 'x',
    summary: true,
  });
});

test('an empty value is refused for every flag of every command, and the flag is named', async (t) => {
  for (const entry of catalogue) {
    const words = (entry.arguments?.split(' ') ?? []).map(() => 'x');
    for (const [flag = '', value] of [...(entry.options ?? []), ...everywhere].map(([option]) => option.split(' '))) {
      if (!value) continue;
      const line = [entry.group, entry.name, ...words, flag, ''].filter((word) => word !== undefined);
      const { flags = {} } = readWords(line, catalogue) ?? (await oracle(line)) ?? {};
      const refused = t.throws(() => insistOnValues(flags), { instanceOf: ConfigError }, line.join(' '));
      t.true(refused?.message.startsWith(`${flag}: expected a value`), refused?.message);
    }
  }
  t.notThrows(() => insistOnValues({ out: '-', json: true, at: '0', prefix: undefined }));
});

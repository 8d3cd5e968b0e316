import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { Command, CommanderError } from 'commander';
import { type CommandEntry, catalogue } from './commands/catalogue.ts';
import { exitCode } from './errors.ts';
import { everywhere, type Given } from './words.ts';

/** The whole command line, with help and what is said of mistakes. */

type Perform = (given: Given) => Promise<void>;

const addCommand = (parent: Command, entry: CommandEntry, perform: Perform): void => {
  const command = parent
    .command([entry.name, entry.arguments].filter(Boolean).join(' '))
    .summary(entry.summary)
    .description(`${entry.summary[0]?.toUpperCase()}${entry.summary.slice(1)}.`);
  for (const [flags, meaning] of [...(entry.options ?? []), ...everywhere]) command.option(flags, meaning);
  command.addHelpText('after', `\nExample:\n  $ ${entry.example}`).action(async (...parsed: unknown[]) => {
    const words = parsed
      .slice(0, -2)
      .flat()
      .filter((word): word is string => typeof word === 'string');
    await perform({ entry, words, flags: parsed.at(-2) as Given['flags'] });
  });
};

/**
 * `help` of the command by all the words given. Commander's own goes by the first word alone, and shows the whole help for one
 * that names nothing.
 */
const addHelp = (parent: Command): void => {
  parent
    .helpCommand(false)
    .command('help [command...]')
    .description('display help for command')
    .action(async (words: readonly string[]): Promise<void> => {
      let command = parent;
      for (const word of words) {
        if (command.commands.length === 0) break;
        const next = command.commands.find((one) => one.name() === word);
        // Does nothing by itself, and so can only refuse the word.
        if (!next) {
          await command.parseAsync([word], { from: 'user' });
          return;
        }
        command = next;
      }
      command.help();
    });
};

/** As package.json has it, which lies above both the source and what is built of it. */
const versionOf = (): string =>
  (JSON.parse(readFileSync(findPackageJSON(import.meta.url) as string, 'utf8')) as { version: string }).version;

export const createProgram = (perform: Perform): Command => {
  const program = new Command('s3-sync')
    .description('Keeps a file manager equal to an S3-compatible bucket.')
    .version(versionOf(), '--version', 'print the version')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 usage or configuration,\n3 held by the safety gate. Every command has --help with an example.',
    )
    .showHelpAfterError('(s3-sync help shows the commands)')
    .configureHelp({ sortSubcommands: false })
    .exitOverride();
  const groups = new Map<string, Command>();
  for (const entry of catalogue) {
    if (entry.group && !groups.has(entry.group)) {
      groups.set(
        entry.group,
        program
          .command(entry.group)
          .description('messages that could not be understood')
          .addHelpText('after', `\nExample:\n  $ ${entry.example}`)
          .exitOverride(),
      );
    }
    addCommand(entry.group ? (groups.get(entry.group) as Command) : program, entry, perform);
  }
  for (const command of [program, ...groups.values()]) addHelp(command);
  return program;
};

/** Performs what the command line says, or prints help or what is wrong with it. */
export const runProgram = async (perform: Perform): Promise<void> => {
  try {
    await createProgram(perform).parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode =
      error.exitCode === 0 || error.code === 'commander.helpDisplayed' ? exitCode.done : exitCode.usage;
  }
};

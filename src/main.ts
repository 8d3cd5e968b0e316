import { type CommandEntry, catalogue, type Flags, nameOf, settingsOf } from './commands/catalogue.ts';
import type { Context } from './commands/context.ts';
import { endProgressLine } from './commands/progress.ts';
import { loadConfig } from './config/config.ts';
import { loadEnvFile } from './config/env-file.ts';
import { unknownNames } from './config/unknown.ts';
import { exitCodeFor, FolderInUseError, problemOf } from './errors.ts';
import { harmless } from './harmless.ts';
import { createLogger, type Logger } from './logger.ts';
import { isPrinted, isRead, outliveReaders, print } from './standard-output.ts';
import { type Given, insistOnValues, readWords } from './words.ts';

/** The one entry point: words to a command, errors to an exit code. */

/** The first signal asks for a graceful stop, the second one ends the process at once. */
const stopSignal = (): AbortSignal => {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    process.stderr.write(`\n${signal}: stopping after what is in hand; once more to stop at once\n`);
    controller.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  return controller.signal;
};

/** Runs a command here, or has the daemon run it that holds the data folder. Resolves with the exit code. */
const run = async (entry: CommandEntry, context: Context, words: readonly string[], flags: Flags): Promise<number> => {
  try {
    return await entry.run(context, words, flags);
  } catch (error) {
    if (!(error instanceof FolderInUseError && error.command === 'daemon' && entry.handedOver)) throw error;
    await tell(`handed over to the running ${error.holder}`);
    const { handOver } = await import('./data-folder/hand-over.ts');
    const { code, problem } = await handOver(
      context.config.paths.data,
      { command: context.command, words, flags },
      error,
      { signal: context.signal, print },
    );
    if (problem !== undefined) await complain(context.command, problem);
    return code;
  }
};

/** A problem may quote what a file or a server said. */
const complain = async (command: string, problem: string): Promise<void> => {
  endProgressLine();
  await tell(`s3-sync ${command}: ${harmless(problem)}`);
};

/** Where nobody looks at it, each line stays whole, so that it can be searched for. */
const tell = async (text: string): Promise<void> => {
  const said = process.stderr.isTTY ? (await import('./text.ts')).fitted(text) : text;
  process.stderr.write(`${said}\n`);
};

/** The settings of a command, and the names among them that have no effect. Throws ConfigError with all that is wrong. */
const configure = ({ entry, flags }: Given) => {
  insistOnValues(flags);
  const before = Object.keys(process.env);
  const file = loadEnvFile('.env', process.env);
  const unknown = unknownNames(before, file);
  const ignored = file.ignored ?? [];
  const given = settingsOf({ settings: { ...entry.settings, dataDir: 'DATA_DIR', logLevel: 'LOG_LEVEL' } }, flags);
  const config = loadConfig(process.env, given, {
    needsOf: (settings) => entry.needs && { purpose: `'s3-sync ${nameOf(entry)}'`, ...entry.needs(settings, flags) },
    notes: [
      file.names ? `settings were read from ${file.path}` : `no file of settings was read: there is no ${file.path}`,
      ...unknown.map(({ name, meant }) => `${name} is no setting${meant ? `: did you mean ${meant}?` : ''}`),
      ...ignored.map(({ line, name }) => `line ${line} of .env sets nothing: write ${name ?? 'NAME'}=value`),
    ],
  });
  return { config, unknown, ignored };
};

const showsStacks = (level: unknown): boolean => level === 'debug' || level === 'trace';

const execute = async (given: Given): Promise<void> => {
  const { entry, words, flags } = given;
  const command = nameOf(entry);
  const signal = stopSignal();
  let level: string | undefined;
  try {
    const { config, unknown, ignored } = configure(given);
    level = config.text('LOG_LEVEL');
    let logger: Logger | undefined;
    const context: Context = {
      command,
      config,
      get logger() {
        logger ??= createLogger(config.text('LOG_LEVEL'));
        return logger;
      },
      signal,
      print: (text) => {
        endProgressLine();
        print(text);
      },
      isPrinted,
      isRead,
      openWorkspace: async () =>
        (await import('./data-folder/workspace.ts')).openWorkspace(
          config,
          command,
          (reason) => context.logger.warn({ reason }, 'projections are dropped, and built anew from the log'),
          signal,
        ),
    };
    for (const facts of unknown) context.logger.warn(facts, 'this is no setting, and has no effect');
    for (const facts of ignored) context.logger.warn(facts, 'this line of .env sets nothing: write NAME=value');
    process.exitCode = await run(entry, context, words, flags);
    endProgressLine();
  } catch (error) {
    await complain(command, problemOf(error, signal));
    if (showsStacks(level ?? flags.logLevel ?? process.env.LOG_LEVEL) && error instanceof Error)
      process.stderr.write(`${error.stack}\n`);
    process.exitCode = exitCodeFor(error);
  }
};

/**
 * The command has ended. A connection that its server keeps open must not keep the process: it ends by force a while later,
 * once all that was printed has been taken.
 */
const endSoon = (): void => {
  setTimeout(() => (isPrinted() ? process.exit() : endSoon()), 3_000).unref();
};

const perform = async (given: Given): Promise<void> => {
  await execute(given);
  endSoon();
};

outliveReaders();
const given = readWords(process.argv.slice(2), catalogue);
if (given) await perform(given);
else await (await import('./program.ts')).runProgram(perform);

import { type CommandEntry, type Flags, typed } from './commands/catalogue.ts';
import { ConfigError } from './errors.ts';

/** What the command line says: a command, its arguments, and its flags as commander names them. */
export type Given = { readonly entry: CommandEntry; readonly words: readonly string[]; readonly flags: Flags };

/** Flags of every command. */
export const everywhere = [
  ['--data-dir <dir>', 'folder of log and projections (DATA_DIR)'],
  ['--log-level <level>', 'least severity that is logged (LOG_LEVEL)'],
] as const;

/**
 * Reads a command line that is right and plain, as commander does. Everything else (help, mistakes, `--flag=value`, words that
 * begin with a dash) is undefined, and left to commander: to load it takes as long as the start of the runtime.
 */
export const readWords = (given: readonly string[], catalogue: readonly CommandEntry[]): Given | undefined => {
  const entry = catalogue.find(({ name, group }) =>
    group === undefined ? name === given[0] : group === given[0] && name === given[1],
  );
  if (!entry) return undefined;
  const options = [...(entry.options ?? []), ...everywhere].map(([option]) => option.split(' '));
  // A flag that says no to something has a default.
  if (options.some(([name]) => name?.startsWith('--no-'))) return undefined;
  const words: string[] = [];
  const flags: Record<string, string | boolean> = {};
  for (let at = entry.group ? 2 : 1; at < given.length; at++) {
    const word = given[at] as string;
    if (word === '-' || !word.startsWith('-')) {
      words.push(word);
      continue;
    }
    const option = options.find(([name]) => name === word);
    if (!option) return undefined;
    const value = option.length === 1 || given[++at];
    if (value === undefined || (typeof value === 'string' && value.startsWith('-'))) return undefined;
    flags[word.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())] = value;
  }
  return takes(entry, words.length) ? { entry, words, flags } : undefined;
};

/** Throws ConfigError when a flag has an empty value, such as that of an unset variable: it would pass for a flag left out. */
export const insistOnValues = (flags: Flags): void => {
  for (const [name, value] of Object.entries(flags))
    if (typeof value === 'string' && value.trim() === '')
      throw new ConfigError(`${typed(name)}: expected a value, found an empty one; leave the flag out for its default`);
};

/** Whether an entry has that many arguments. */
const takes = (entry: CommandEntry, count: number): boolean =>
  entry.arguments?.endsWith('...]') || (entry.arguments?.split(' ').length ?? 0) === count;

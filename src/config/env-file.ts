import { resolve } from 'node:path';
import { ConfigError, codeOf, messageOf } from '../errors.ts';
import { type SettingName, settings } from './settings.ts';

/** As they are: an import would load all that belongs to them, with every command. */
const { readFileSync } = process.getBuiltinModule('node:fs');
const { parseEnv } = process.getBuiltinModule('node:util');

/** A file of settings: where it was looked for, and the names in it; undefined when it is not there. */
export type EnvFile = {
  readonly path: string;
  readonly names?: readonly string[];
  readonly ignored?: readonly IgnoredLine[];
};

/** A line, counted from 1, that sets nothing; `name` is the setting that it begins with. Anything else may be a secret. */
export type IgnoredLine = { readonly line: number; readonly name?: SettingName };

/** Begins a name that no file has: one with a NUL is refused. */
const nul = '\0';

/** The lines that are neither blank, comment, assignment nor within a value in quotes. */
const ignoredLines = (text: string): IgnoredLine[] => {
  const lines = text.split(/\r?\n/);
  // Made an assignment, such a line sets its name, unless it is within a value. One that begins with an x opens no quotes.
  const probed = lines.map((line, at) => (/^\s*(#|$)|=/.test(line) ? line : `${nul}${at}=x${line}`));
  const set = parseEnv(probed.join('\n'));
  return lines.flatMap((line, at) => {
    if (!Object.hasOwn(set, `${nul}${at}`)) return [];
    const name = settings.find(({ env }) => env === /^\s*(\w+)/.exec(line)?.[1])?.env;
    return [{ line: at + 1, ...(name !== undefined && { name }) }];
  });
};

const read = (path: string): Buffer | undefined => {
  try {
    return readFileSync(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new ConfigError(
      `the settings in ${path} cannot be read (${messageOf(error)}): let this user read the file, or remove it`,
      { cause: error },
    );
  }
};

/** Without a byte order mark, which would become a part of the first name. A NUL is in no text but UTF-16. */
const textOf = (bytes: Buffer, path: string): string => {
  const isUtf16 = bytes.includes(0) || /^(fffe|feff)/.test(bytes.toString('hex', 0, 2));
  if (isUtf16)
    throw new ConfigError(`the settings in ${path} cannot be read (UTF-16, or no text at all): save the file as UTF-8`);
  return new TextDecoder().decode(bytes);
};

/**
 * Settings from a file such as `.env`, where there is one; what the environment has already stays, unless it is empty.
 * Throws ConfigError when the file is there and cannot be read: every setting would fall back to its default, those of the
 * safety gate too. (Node's own `loadEnvFile` takes such a file for one that is not there.)
 */
export const loadEnvFile = (name: string, environment: NodeJS.ProcessEnv): EnvFile => {
  const path = resolve(name);
  const bytes = read(path);
  if (bytes === undefined) return { path };
  const text = textOf(bytes, path);
  const given = Object.entries(parseEnv(text));
  for (const [variable, value] of given) if (!environment[variable]?.trim()) environment[variable] = value;
  return { path, names: given.map(([variable]) => variable), ignored: ignoredLines(text) };
};

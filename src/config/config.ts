import { resolve } from 'node:path';
import { ConfigError } from '../errors.ts';
import { pairProblems, problemOf } from './problems.ts';
import { type Setting, type SettingName, settings, unitOf } from './settings.ts';

/** The configuration of one run: flags over environment over defaults, checked, frozen. */
export type Config = {
  /** The setting's text; throws ConfigError when it is empty. */
  text(name: SettingName): string;
  /** The setting's text; undefined when it is empty. */
  optional(name: SettingName): string | undefined;
  number(name: SettingName): number;
  flag(name: SettingName): boolean;
  urls(name: SettingName): readonly string[];
  /** The same configuration with further flags over it. */
  with(flags: Partial<Record<SettingName, string>>): Config;
  /** Throws one ConfigError that names everything missing at once. */
  require(names: readonly SettingName[], purpose: string): void;
  /** Files of this run, absolute. */
  readonly paths: { readonly data: string; readonly log: string; readonly projections: string };
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads and checks the configuration. Throws one ConfigError with every mistake, a line each. */
export const loadConfig = (environment: Environment, flags: Partial<Record<SettingName, string>> = {}): Config => {
  const values = new Map<string, string>();
  const problems: string[] = [];
  for (const setting of settings as readonly Setting[]) {
    const value = (flags[setting.env as SettingName] ?? environment[setting.env] ?? '').trim();
    const problem = value === '' ? undefined : problemOf(setting, value);
    if (problem) problems.push(problem);
    values.set(setting.env, value === '' ? setting.fallback : value);
  }
  const optional = (name: SettingName): string | undefined => values.get(name) || undefined;
  problems.push(...pairProblems((name) => optional(name) !== undefined));
  // Node reads it by itself: every token and key would go to whoever answers.
  if (environment['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    problems.push(
      'NODE_TLS_REJECT_UNAUTHORIZED=0 switches the check of certificates off: unset it, and name the certificate of your own authority in NODE_EXTRA_CA_CERTS',
    );
  if (problems.length > 0) throw new ConfigError(`the configuration has mistakes:\n  ${problems.join('\n  ')}`);

  const require = (names: readonly SettingName[], purpose: string): void => {
    const missing = names.filter((name) => !optional(name));
    if (missing.length === 0) return;
    const lines = missing.map((name) => `${name}: ${settings.find((setting) => setting.env === name)?.meaning}`);
    throw new ConfigError(
      `${purpose} needs settings that are not set:\n  ${lines.join('\n  ')}\n.env.example lists them all`,
    );
  };
  const text = (name: SettingName): string => {
    require([name], 'this command');
    return optional(name) as string;
  };
  const data = resolve(text('DATA_DIR'));
  return Object.freeze({
    text,
    optional,
    require,
    with: (further: Partial<Record<SettingName, string>>) => loadConfig(environment, { ...flags, ...further }),
    number: (name: SettingName) => Number(text(name)),
    flag: (name: SettingName) => /^(true|1|yes)$/i.test(optional(name) ?? ''),
    urls: (name: SettingName) => (optional(name)?.split(',') ?? []).map((part) => part.trim()),
    paths: Object.freeze({
      data,
      log: resolve(optional('EVENT_LOG_PATH') ?? `${data}/events.db`),
      projections: resolve(optional('DATABASE_PATH') ?? `${data}/projections.db`),
    }),
  });
};

/** Values that must never be printed, for the logger's redaction. */
export const secretsOf = (environment: Environment): string[] =>
  (settings as readonly Setting[])
    .filter((setting) => setting.secret)
    .map((setting) => environment[setting.env] ?? '')
    .filter((value) => value !== '');

/** `.env.example`, made from the settings. */
export const envExample = (): string =>
  `# Every setting with its meaning and default. Copy to .env and fill in what you need.\n${(
    settings as readonly Setting[]
  )
    .map((setting) => {
      const choices = setting.choices ? ` (${setting.choices.join(' | ')})` : '';
      return `\n# ${setting.meaning}${unitOf(setting)}${choices}\n${setting.env}=${setting.fallback}\n`;
    })
    .join('')}`;

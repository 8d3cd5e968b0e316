import { resolve } from 'node:path';
import { ConfigError } from '../errors.ts';
import { missingText, pairProblems, problemOf } from './problems.ts';
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
  with(flags: FlagSettings): Config;
  /** Throws one ConfigError that names everything missing at once. */
  require(names: readonly SettingName[], purpose: string): void;
  /** Files of this run, absolute. */
  readonly paths: { readonly data: string; readonly log: string; readonly projections: string };
};

/** What a flag says of the setting that it stands for; `flag` is as it is typed. */
export type FlagValue = { readonly flag: string; readonly value: string };

export type FlagSettings = Readonly<Partial<Record<SettingName, FlagValue>>>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a command needs of the settings beside that each is right by itself. */
export type Needs = {
  /** Who needs them, as a message names it. */
  readonly purpose: string;
  /** Settings that must be set. */
  readonly names: readonly SettingName[];
  /** Settings that may be unset: they are named only beside others that are missing. */
  readonly perhaps?: readonly SettingName[];
  /** What is wrong with settings taken together. */
  readonly problems?: readonly string[];
};

/** What of a configuration can be read before it is known to be right. */
export type Readable = Pick<Config, 'optional' | 'flag'>;

type Loading = {
  readonly needsOf?: ((settings: Readable) => Needs | undefined) | undefined;
  /** Lines that end each message about a mistake, such as where settings were read from. */
  readonly notes?: readonly string[];
};

/** Reads and checks the configuration. Throws one ConfigError with every mistake, and with all that is missing, a line each. */
export const loadConfig = (
  environment: Environment,
  flags: FlagSettings = {},
  { needsOf, notes = [] }: Loading = {},
): Config => {
  const values = new Map<string, string>();
  const problems: string[] = [];
  for (const setting of settings as readonly Setting[]) {
    const given = flags[setting.env as SettingName];
    const value = (given?.value ?? environment[setting.env] ?? '').trim();
    const problem = value === '' ? undefined : problemOf(setting, value, given?.flag);
    if (problem) problems.push(problem);
    values.set(setting.env, value === '' ? setting.fallback : value);
  }
  const optional = (name: SettingName): string | undefined => values.get(name) || undefined;
  const flag = (name: SettingName): boolean => /^(true|1|yes)$/i.test(optional(name) ?? '');
  problems.push(...pairProblems((name) => optional(name) !== undefined));
  // Node reads it by itself: every token and key would go to whoever answers.
  if (environment['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    problems.push(
      'NODE_TLS_REJECT_UNAUTHORIZED=0 switches the check of certificates off: unset it, and name the certificate of your own authority in NODE_EXTRA_CA_CERTS',
    );

  const unset = (names: readonly SettingName[]): SettingName[] => names.filter((name) => !optional(name));
  const refuse = (...parts: readonly string[]): never => {
    throw new ConfigError([...parts, ...notes].join('\n'));
  };
  const require = (names: readonly SettingName[], purpose: string): void => {
    if (unset(names).length > 0) refuse(missingText({ purpose, names: unset(names) }));
  };
  const needs = needsOf?.({ optional, flag });
  problems.push(...(needs?.problems ?? []));
  const missing = needs && unset(needs.names).length > 0 ? needs : undefined;
  if (problems.length > 0 || missing)
    refuse(
      ...(problems.length > 0 ? [`the configuration has mistakes:\n  ${problems.join('\n  ')}`] : []),
      ...(missing
        ? [missingText({ ...missing, names: unset(missing.names), perhaps: unset(missing.perhaps ?? []) })]
        : []),
    );
  const text = (name: SettingName): string => {
    require([name], 'this command');
    return optional(name) as string;
  };
  const data = resolve(text('DATA_DIR'));
  return Object.freeze({
    text,
    optional,
    require,
    with: (further: FlagSettings) => loadConfig(environment, { ...flags, ...further }, { notes }),
    number: (name: SettingName) => Number(text(name)),
    flag,
    urls: (name: SettingName) => (optional(name)?.split(',') ?? []).map((part) => part.trim()),
    paths: Object.freeze({
      data,
      log: resolve(optional('EVENT_LOG_PATH') ?? `${data}/events.db`),
      projections: resolve(optional('DATABASE_PATH') ?? `${data}/projections.db`),
    }),
  });
};

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

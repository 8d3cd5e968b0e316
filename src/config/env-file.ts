import { resolve } from 'node:path';
import { ConfigError, codeOf, messageOf } from '../errors.ts';

/** As they are: an import would load all that belongs to them, with every command. */
const { readFileSync } = process.getBuiltinModule('node:fs');
const { parseEnv } = process.getBuiltinModule('node:util');

/**
 * Settings from a file such as `.env`, where there is one; what the environment has already stays. Throws ConfigError when
 * it is there and cannot be read: every setting would fall back to its default, those of the safety gate too. (Node's own
 * `loadEnvFile` takes such a file for one that is not there.)
 */
export const loadEnvFile = (path: string, environment: NodeJS.ProcessEnv): void => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw new ConfigError(
      `the settings in ${resolve(path)} cannot be read (${messageOf(error)}): let this user read the file, or remove it`,
      { cause: error },
    );
  }
  for (const [name, value] of Object.entries(parseEnv(text))) environment[name] ??= value;
};

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { catalogue, nameOf, settingsOf } from '../../src/commands/catalogue.ts';
import { loadConfig } from '../../src/config/config.ts';
import { openWorkspace } from '../../src/data-folder/workspace.ts';
import { createLogger } from '../../src/logger.ts';
import { freshFolder } from '../support/folder.ts';

/**
 * Runs a command of the catalogue in this process: what it printed, or whatever it threw. `input` stands in a file that is
 * the command's last word.
 */
export const runCommand = async (
  command: string,
  words: readonly string[],
  {
    flags = {},
    environment,
    input,
    signal = new AbortController().signal,
  }: {
    readonly flags?: Readonly<Record<string, string | boolean>>;
    readonly environment: Readonly<Record<string, string>>;
    readonly input?: string;
    readonly signal?: AbortSignal;
  },
): Promise<string> => {
  const entry = catalogue.find((one) => nameOf(one) === command);
  if (!entry) throw new Error(`there is no command ${command}`);
  const config = loadConfig({ ...environment }, settingsOf(entry, flags), {
    needsOf: (settings) => entry.needs && { purpose: command, ...entry.needs(settings, flags) },
  });
  const file = join(await freshFolder(), 'input');
  if (input !== undefined) await writeFile(file, input);
  let printed = '';
  await entry.run(
    {
      command,
      config,
      logger: createLogger('silent'),
      signal,
      print: (text) => {
        printed += typeof text === 'string' ? text : Buffer.from(text).toString();
      },
      openWorkspace: () => openWorkspace(config, command, undefined, signal),
    },
    input === undefined ? words : [...words, file],
    flags,
  );
  return printed;
};

/**
 * Writes what the documents repeat from the code: `.env.example`, and the settings table of the README. Run it after a
 * setting was added or reworded (`npm run docs`).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { envExample } from '../src/config/config.ts';
import { type Setting, settings, unitOf } from '../src/config/settings.ts';

const root = join(import.meta.dirname, '..');
const [begin, end] = ['<!-- settings: made by npm run docs -->', '<!-- end of settings -->'];

const settingsTable = (): string => {
  const rows = (settings as readonly Setting[]).map((setting) => {
    const { env, meaning, fallback, choices } = setting;
    const among = choices ? ` (${choices.map((choice) => `\`${choice}\``).join(', ')})` : '';
    return `| \`${env}\` | ${fallback && `\`${fallback}\``} | ${meaning}${unitOf(setting)}${among} |`;
  });
  return ['| variable | default | meaning |', '|---|---|---|', ...rows].join('\n');
};

/** The README with the settings as they are now. Throws when its marks are missing. */
export const readmeWith = (readme: string): string => {
  const [from, to] = [readme.indexOf(begin), readme.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`README.md lacks the lines '${begin}' and '${end}'`);
  return `${readme.slice(0, from + begin.length)}\n\n${settingsTable()}\n\n${readme.slice(to)}`;
};

if (import.meta.main) {
  const readme = join(root, 'README.md');
  writeFileSync(readme, readmeWith(readFileSync(readme, 'utf8')));
  writeFileSync(join(root, '.env.example'), envExample());
}

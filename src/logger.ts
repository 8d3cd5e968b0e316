import { createRequire } from 'node:module';
import type { Logger } from 'pino';
import { harmless } from './harmless.ts';

export type { Logger };

/** Loaded when the first logger is made: a command that logs nothing starts faster by a tenth. */
const load = createRequire(import.meta.url);

/** The escape characters are those of the colours: among the facts they are escaped already, as in JSON. */
const withColours = (text: string): string => text.split('\u001b').map(harmless).join('\u001b');

/** Logs go to standard error: JSON lines, or readable text when that is a terminal. Messages are constant, facts are fields. */
export const createLogger = (level: string): Logger => {
  const { pino } = load('pino') as typeof import('pino');
  const redact = {
    paths: ['secretKey', '*.secretKey', 'token', '*.token', 'authorization', '*.authorization'],
    censor: '***',
  };
  const options = { level, redact, base: null };
  if (process.stderr.isTTY) {
    const { prettyFactory } = load('pino-pretty') as typeof import('pino-pretty');
    const pretty = prettyFactory({ ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' });
    return pino(options, { write: (line) => process.stderr.write(withColours(pretty(line))) });
  }
  return pino({ ...options, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }));
};

import { type Logger, pino } from 'pino';

export type { Logger };

/** Loaded only where logs are read by a person. */
const pretty = process.stderr.isTTY ? (await import('pino-pretty')).default : undefined;

/** Logs go to standard error: JSON lines, or readable text when that is a terminal. Messages are constant, facts are fields. */
export const createLogger = (level: string): Logger => {
  const redact = {
    paths: ['secretKey', '*.secretKey', 'token', '*.token', 'authorization', '*.authorization'],
    censor: '***',
  };
  const options = { level, redact, base: null };
  if (pretty) {
    return pino(options, pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' }));
  }
  return pino({ ...options, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }));
};

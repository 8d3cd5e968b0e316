import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { ServerName } from './installed.ts';

const advice: Readonly<Record<ServerName, string>> = {
  minio: 'MinIO is not installed (scripts/install-tools builds it where Go is there)',
  pubsub: 'the Pub/Sub emulator is not installed (Google Cloud SDK with its pubsub-emulator component, and Java)',
  localstack: 'LocalStack is not installed (scripts/install-tools installs it where Python 3.13 is there)',
  chromium: 'Chromium is not installed (package chromium)',
  fauxqs: 'the npm packages are not installed (npm ci)',
};

/** Where a missing server must fail the run: the continuous integration installs all of them. */
export const missingFails = (): boolean => process.env['CI'] === 'true';

/** One line for the end of the run; the runner collects them in the file that MISSING_FILE names. */
export const reportMissing = (name: ServerName, testFile: string): string => {
  const line = `NOT RUN ${relative(process.cwd(), testFile)}: ${advice[name]}`;
  const file = process.env['MISSING_FILE'];
  if (file === undefined) console.error(line);
  else appendFileSync(file, `${line}\n`);
  return line;
};

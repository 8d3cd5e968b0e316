/** Reads a file of settings as a user who owns nothing, and prints how that ended. */
import { loadEnvFile } from '../../src/config/env-file.ts';
import { messageOf } from '../../src/errors.ts';

const nobody = 65_534;

if (process.getuid?.() === 0) {
  process.setgroups?.([nobody]);
  process.setgid?.(nobody);
  process.setuid?.(nobody);
}
const environment: NodeJS.ProcessEnv = {};
try {
  loadEnvFile(process.argv[2] as string, environment);
  process.stdout.write(JSON.stringify(environment));
} catch (error) {
  process.stdout.write(`${error instanceof Error ? error.name : ''}: ${messageOf(error)}`);
}

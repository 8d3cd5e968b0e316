import { editsBetween } from '../edits.ts';
import type { EnvFile } from './env-file.ts';
import { settings } from './settings.ts';

/** A name that looks like a setting of this service and is none: whoever set it believes that it has an effect. */
export type UnknownName = { readonly name: string; readonly meant?: string };

const known: readonly string[] = settings.map(({ env }) => env);
/** What the libraries, the runtime and the compose stack read may stand in the same file. */
const foreign = /^(AWS|GOOGLE|GCLOUD|CLOUDSDK|GRPC|NODE|COMPOSE|DOCKER)_|^(TZ|(HTTPS?|NO|ALL)_PROXY)$/i;
/** Names that no other program has begin with these. */
const ours = /^(CUSTOMER_S3|BACKUP_S3|GATE_DELETE)_/;
/** Shorter ones, such as LOG_LEVEL, are those of many programs, and so is what resembles them. */
const peculiarLength = 10;

/** The known name that one was meant to be; undefined when none comes near it. */
const meantBy = (name: string): string | undefined => {
  const whole = known.find((candidate) => candidate.startsWith(`${name}_`));
  if (whole !== undefined) return whole;
  const ranked = known
    .map((candidate) => ({ candidate, distance: editsBetween(name.toUpperCase(), candidate, { swaps: true }) }))
    .sort((a, b) => a.distance - b.distance);
  const [nearest] = ranked;
  return nearest && nearest.distance <= Math.min(3, name.length / 4) ? nearest.candidate : undefined;
};

/** Whether a variable of the environment, which is everybody's, resembles one setting so much that it must be meant. */
const isMisspelt = (name: string): boolean =>
  known.some(
    (candidate) =>
      candidate.length >= peculiarLength &&
      candidate.slice(0, 3) === name.slice(0, 3) &&
      editsBetween(name, candidate, { swaps: true }) <= (candidate.length < 16 ? 1 : 2),
  );

/** The names that have no effect and seem to be meant for this service: any in its own file, in the environment those that resemble a setting. */
export const unknownNames = (environment: readonly string[], { names = [] }: EnvFile): UnknownName[] => {
  const inFile = new Set(names);
  const suspects = [
    ...[...inFile].filter((name) => !foreign.test(name)),
    ...environment.filter((name) => !inFile.has(name) && (ours.test(name) || isMisspelt(name))),
  ];
  return suspects
    .filter((name) => !known.includes(name))
    .map((name) => {
      const meant = meantBy(name);
      return { name, ...(meant !== undefined && { meant }) };
    });
};

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

/** How many letters are missing, too many, different, or in each other's place. */
const distanceOf = (one: string, other: string): number => {
  let before: number[] = [];
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const same = one[i - 1] === other[j - 1];
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      next[j] = Math.min(
        (row[j] as number) + 1,
        (next[j - 1] as number) + 1,
        (row[j - 1] as number) + (same ? 0 : 1),
        swapped ? (before[j - 2] as number) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [before, row] = [row, next];
  }
  return row[other.length] as number;
};

/** The known name that one was meant to be; undefined when none comes near it. */
const meantBy = (name: string): string | undefined => {
  const whole = known.find((candidate) => candidate.startsWith(`${name}_`));
  if (whole !== undefined) return whole;
  const ranked = known
    .map((candidate) => ({ candidate, distance: distanceOf(name.toUpperCase(), candidate) }))
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
      distanceOf(name, candidate) <= (candidate.length < 16 ? 1 : 2),
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

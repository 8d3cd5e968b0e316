import type { Needs, Readable } from '../config/config.ts';
import type { SettingName } from '../config/settings.ts';
import { admissionProblems, neededBy, type SourceName, sourceNameOf } from './sources.ts';

/** What each command needs of the settings: asked before it is run, so that all that is wrong and missing is told at once. */

/** Undefined when the command needs nothing. */
export type NeedsOf = (settings: Readable, flags: { readonly [name: string]: unknown }) => Omit<Needs, 'purpose'>;

const keys: readonly SettingName[] = ['CUSTOMER_S3_ACCESS_KEY', 'CUSTOMER_S3_SECRET_KEY'];

export const theBucket: NeedsOf = () => ({ names: ['CUSTOMER_S3_BUCKET'], perhaps: keys });

export const theFileManager: NeedsOf = () => ({ names: ['FILE_MANAGER_API_URL'] });

/** Without these nothing can be carried over. */
export const bothSides: NeedsOf = () => ({ names: ['CUSTOMER_S3_BUCKET', 'FILE_MANAGER_API_URL'], perhaps: keys });

const withSource = (settings: Readable, source: SourceName | undefined): ReturnType<NeedsOf> => ({
  names: neededBy(source),
  perhaps: source === 'sqs' ? keys : [],
  problems: source === 'http' ? admissionProblems(settings) : [],
});

/** The source that a cycle drains: one that keeps its messages until they are asked for. */
export const drainedSource = (
  settings: Readable,
  flags: { readonly drain?: unknown },
): 'pubsub' | 'sqs' | undefined => {
  const name = flags.drain === false ? undefined : sourceNameOf(settings);
  return name === 'http' ? undefined : name;
};

const joined = (one: ReturnType<NeedsOf>, other: ReturnType<NeedsOf>): ReturnType<NeedsOf> => ({
  names: [...one.names, ...other.names],
  perhaps: [...new Set([...(one.perhaps ?? []), ...(other.perhaps ?? [])])],
  problems: [...(one.problems ?? []), ...(other.problems ?? [])],
});

export const bothSidesAndWhatIsDrained: NeedsOf = (settings, flags) =>
  joined(bothSides(settings, flags), withSource(settings, drainedSource(settings, flags)));

export const bothSidesAndTheSource: NeedsOf = (settings, flags) =>
  joined(bothSides(settings, flags), withSource(settings, sourceNameOf(settings)));

export const aSource: NeedsOf = (settings) => {
  const name = sourceNameOf(settings);
  if (name !== undefined) return withSource(settings, name);
  return { names: [], problems: ['there is no source: set PUBSUB_SUBSCRIPTION, SQS_QUEUE_URL or HTTP_PORT'] };
};

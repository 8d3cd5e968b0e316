import { lotMost } from '../../src/cycle/lot.ts';
import type { Chance } from './chance.ts';

/** In whose form the bucket's producer tells of its changes: the service's own, or that of a store without renames. */
export type Form = 'native' | 's3' | 'minio' | 'ceph' | 'storj';

/** What holds for a whole run. */
export type Setting = {
  /** Whether the intake asks the bucket what events do not say. */
  readonly asks: boolean;
  readonly form: Form;
  /** Whether the bucket keeps permissions with its objects; otherwise only events state them. */
  readonly keepsPermissions: boolean;
  /**
   * How many of the files that come are told of by no event, until a rename takes them along. Out of order it may pass for one
   * of a file that stood there before.
   */
  readonly untold: number;
  /** Whether messages come in their order, and each question is answered: then no listing is needed to know all. */
  readonly inOrder: boolean;
  /** Paths that a cycle plans, beside those that files leave. */
  readonly lotMost: number;
};

export const drawSetting = (chance: Chance): Setting => {
  const asks = chance.is(0.5);
  const form = asks && chance.is(0.5) ? chance.pick(['s3', 'minio', 'ceph', 'storj'] as const) : 'native';
  const isNative = form === 'native';
  const inOrder = asks && isNative && chance.is(0.5);
  return {
    asks,
    form,
    keepsPermissions: !(asks && isNative) || chance.is(0.5),
    untold: inOrder && chance.is(0.7) ? 0.4 : 0,
    inOrder,
    lotMost: chance.is(0.3) ? 1 + chance.below(4) : lotMost,
  };
};

import { randomBytes } from 'node:crypto';
import { KeyUsedError } from '../file-manager/client-errors.ts';
import type { Step } from '../plan/operation.ts';
import type { Clock } from './clock.ts';

/**
 * Under which keys steps are sent. An operation's id is made of offsets, and a log that is a backup, or was begun anew, hands
 * out again those that a lost one has: what the file manager remembers under an id may then be about another transition,
 * and was no effect of this one. Such a step is sent under a key that nobody has used.
 */
export type Sending = {
  /** The step with its key, and when it was begun: what is noted under way. */
  of(step: Step): Step;
  /**
   * For answers from memory. Throws KeyUsedError where none of the step's own attempts can have left it: there was none
   * before (`isRepeat` false), or it is older than the first of them. Undefined once the key is one of its own.
   */
  check(step: Step, isRepeat: () => boolean): ((ageMs: number | undefined) => void) | undefined;
  /** Gives the step a key of its own. */
  renew(step: Step): Step;
  /** Nothing more is sent for the step. */
  ended(step: Step): void;
};

/** Two clocks never run quite alike. */
const slackMs = 1_000;

/** `savePermissions`: the file manager takes permissions with the content of a save. */
export const createSending = (clock: Clock, savePermissions = false): Sending => {
  const sent = new Map<Step, Step>();
  const of = (step: Step): Step => {
    const known = sent.get(step) ?? {
      ...step,
      begunAt: step.begunAt ?? clock.now(),
      ...(savePermissions && { withPermissions: true }),
    };
    sent.set(step, known);
    return known;
  };
  return {
    of,
    check: (step, isRepeat) => {
      const { key, begunAt = 0 } = of(step);
      if (key !== undefined) return undefined;
      return (ageMs) => {
        if (isRepeat() && (ageMs === undefined || ageMs <= clock.now() - begunAt + slackMs)) return;
        throw new KeyUsedError('the file manager answered from its memory of an operation of another event log');
      };
    },
    renew: (step) => {
      const renewed = { ...of(step), key: `${step.operation.op_id}:${randomBytes(8).toString('hex')}` };
      sent.set(step, renewed);
      return renewed;
    },
    ended: (step) => void sent.delete(step),
  };
};

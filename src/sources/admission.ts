/** Room for one message that is being received or waits for its commit. */
export type Room = {
  /** What it turned out to need, once its body is there. */
  shrinkTo(bytes: number): void;
  /** May be called twice. */
  release(): void;
};

/**
 * How much may be held in memory at once, over all senders. `enter` is asked before a body is read, with the most it can
 * need; undefined means that there is no room now.
 */
export const createAdmission = ({ messagesMax, bytesMax }: { messagesMax: number; bytesMax: number }) => {
  let messages = 0;
  let bytes = 0;
  return {
    enter: (needed: number): Room | undefined => {
      if (messages >= messagesMax || bytes + needed > bytesMax) return undefined;
      let held = needed;
      let released = false;
      messages += 1;
      bytes += held;
      return {
        shrinkTo: (actual) => {
          if (released || actual > held) return;
          bytes -= held - actual;
          held = actual;
        },
        release: () => {
          if (released) return;
          released = true;
          messages -= 1;
          bytes -= held;
        },
      };
    },
    held: () => ({ messages, bytes }),
  };
};

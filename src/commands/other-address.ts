import type { OtherAddress } from '../cycle/address.ts';
import type { Logger } from '../logger.ts';

/** What this process has told of last: a daemon finds the same in each of its cycles. */
let told: OtherAddress | undefined;

/** Warns that the file manager has another address; of the same two addresses once in a process. */
export const tellOtherAddress = (logger: Pick<Logger, 'warn'>, other: OtherAddress): void => {
  if (told?.before === other.before && told.now === other.now) return;
  told = other;
  logger.warn(
    other,
    "the file manager has another address than before: if it is another one, run 's3-sync reconcile --file-manager'",
  );
};

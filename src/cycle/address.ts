import type { CycleMemory } from './memory.ts';

/** The file manager's address as it is remembered and shown: a query or a password in it may be secret. */
export const addressOf = (url: string): string => {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`.replace(/\/+$/, '');
};

/** The file manager's address is another one than the mirror was confirmed at: it may be another file manager. */
export type OtherAddress = { readonly before: string; readonly now: string };

export const otherAddress = ({ fileManager }: CycleMemory, now: string | undefined): OtherAddress | undefined =>
  fileManager === undefined || now === undefined || fileManager === now ? undefined : { before: fileManager, now };

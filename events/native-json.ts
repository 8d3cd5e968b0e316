import type { BucketEvent } from './event.ts';

/** A token's text as its producer wrote it. */
const versionText = (token: string): string =>
  token.startsWith('n:') ? token.slice(6) : token.slice(token.indexOf(':') + 1);

/** The native wire form of an event: what `publish` sends and `replay --print` prints; only fields that are there. */
export const toNative = (event: BucketEvent): Record<string, unknown> => {
  const { id, type, time, path, to, size, etag, permissions, version, key, modifiedAt, scope } = event;
  const all = {
    id,
    type,
    time,
    path,
    to,
    size,
    etag,
    permissions,
    version: version && versionText(version),
    key,
    modified_at: modifiedAt,
    scope,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
};

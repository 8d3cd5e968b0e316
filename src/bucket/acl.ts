import { ConfigError } from '../errors.ts';

/** A grant of an ACL, as far as it matters: who (`owner`, `everyone`, `authenticated`, `other`) may do what. */
export type Grant = { readonly who: 'owner' | 'everyone' | 'authenticated' | 'other'; readonly permission: string };

/** The canned ACLs that an ACL's grants can be told to be; `custom` is any other. */
export const cannedAcls = ['private', 'authenticated-read', 'public-read', 'public-read-write', 'custom'] as const;
export type CannedAcl = (typeof cannedAcls)[number];

/**
 * Permissions for each canned ACL. A text that is no POSIX octal is passed on as it is (the file manager may know it); the
 * empty text means that such an ACL says nothing. What is left out falls back to the default.
 */
export type AclMapping = Readonly<Partial<Record<CannedAcl, string>>>;

const grantees = {
  everyone: 'http://acs.amazonaws.com/groups/global/AllUsers',
  authenticated: 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers',
} as const;

/** Who a grantee is. Only the exact group addresses count: another group with a similar end is somebody else. */
export const granteeOf = (uri: string | undefined, id: string | undefined, owner: string | undefined): Grant['who'] => {
  if (uri === grantees.everyone) return 'everyone';
  if (uri === grantees.authenticated) return 'authenticated';
  return uri === undefined && id === owner ? 'owner' : 'other';
};

/** The canned ACL that makes exactly these grants. */
export const cannedOf = (grants: readonly Grant[]): CannedAcl => {
  const set = new Set(grants.filter(({ who }) => who !== 'owner').map(({ who, permission }) => `${who}:${permission}`));
  const is = (...expected: readonly string[]): boolean =>
    set.size === expected.length && expected.every((grant) => set.has(grant));
  if (is()) return 'private';
  if (is('authenticated:READ')) return 'authenticated-read';
  if (is('everyone:READ')) return 'public-read';
  if (is('everyone:READ', 'everyone:WRITE') || is('everyone:FULL_CONTROL')) return 'public-read-write';
  return 'custom';
};

/**
 * The default, in POSIX terms: the owner reads and writes, a grant to authenticated users is the group's, a grant to
 * everyone is the group's and everyone's; a grant to another account has no POSIX equal and counts for nothing.
 * `private` is 0600, `authenticated-read` 0640, `public-read` 0644, `public-read-write` 0666.
 */
const posixOf = (grants: readonly Grant[]): string => {
  let mode = 0o600;
  for (const { who, permission } of grants) {
    const bits = permission === 'FULL_CONTROL' ? 6 : permission === 'READ' ? 4 : permission === 'WRITE' ? 2 : 0;
    if (who === 'authenticated') mode |= bits << 3;
    if (who === 'everyone') mode |= (bits << 3) | bits;
  }
  return mode.toString(8).padStart(4, '0');
};

/** Permissions of an ACL: the mapping's for its canned form, else the default. Undefined where the mapping says nothing. */
export const aclPermissions = (grants: readonly Grant[], mapping: AclMapping = {}): string | undefined => {
  const mapped = mapping[cannedOf(grants)] ?? posixOf(grants);
  return mapped === '' ? undefined : mapped;
};

/** Reads a mapping from text: `public-read=0644,private=0600,custom=`. Throws ConfigError naming the first mistake. */
export const parseAclMapping = (text: string): AclMapping => {
  const mapping: Partial<Record<CannedAcl, string>> = {};
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const [name = '', permissions] = part.split('=').map((piece) => piece.trim());
    const canned = cannedAcls.find((known) => known === name);
    if (
      canned === undefined ||
      permissions === undefined ||
      mapping[canned] !== undefined ||
      part.split('=').length > 2
    ) {
      throw new ConfigError(
        `ACL_PERMISSIONS: expected ${cannedAcls.join('=…, ')}=… once each, such as public-read=0644, found ${JSON.stringify(part.trim())}`,
      );
    }
    mapping[canned] = permissions;
  }
  return mapping;
};

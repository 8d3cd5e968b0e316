/**
 * Permissions kept in an object's user metadata. `mode`: st_mode in decimal or octal, as s3fs and rclone write it, of which
 * only the low twelve bits are permissions. `file-permissions`: octal, as AWS DataSync and FSx for Lustre write it.
 */
export const metadataPermissions = (metadata: Readonly<Record<string, string>> | undefined): string | undefined => {
  const mode = metadata?.mode;
  if (mode !== undefined && /^\d{1,7}$/.test(mode)) {
    // st_mode of a file in octal is 100644: six digits, none above 7; in decimal the same is 33188.
    const octal = /^0/.test(mode) || (/^[0-7]+$/.test(mode) && (mode.length === 6 || mode.length <= 4));
    return octalText(Number.parseInt(mode, octal ? 8 : 10));
  }
  const posix = metadata?.['file-permissions'];
  return posix !== undefined && /^[0-7]{3,6}$/.test(posix) ? octalText(Number.parseInt(posix, 8)) : undefined;
};

const octalText = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

/** A grant of an ACL, as far as it matters: who (`owner`, `everyone`, `authenticated`, `other`) may do what. */
export type Grant = { readonly who: 'owner' | 'everyone' | 'authenticated' | 'other'; readonly permission: string };

/**
 * Default mapping of an ACL to POSIX permissions: the owner reads and writes; a grant to authenticated users is the group's,
 * a grant to everyone is everyone's. `private` is 0600, `authenticated-read` 0640, `public-read` 0644, `public-read-write` 0666.
 */
export const aclToPosix = (grants: readonly Grant[]): string => {
  let mode = 0o600;
  for (const { who, permission } of grants) {
    const bits = permission === 'FULL_CONTROL' ? 6 : permission === 'READ' ? 4 : permission === 'WRITE' ? 2 : 0;
    if (who === 'authenticated') mode |= bits << 3;
    if (who === 'everyone') mode |= (bits << 3) | bits;
  }
  return octalText(mode);
};

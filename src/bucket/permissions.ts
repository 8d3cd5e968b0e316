/** The file type bits of st_mode, and the types that exist: FIFO, device, folder, block device, file, link, socket. */
const typeMask = 0o170000;
const types: ReadonlySet<number> = new Set([0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000]);

const octalText = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

const isStatMode = (mode: number): boolean => mode <= 0o177777 && types.has(mode & typeMask);

/**
 * `mode` as s3fs (decimal, 33188) and rclone (octal, 100644 or 0100644) write st_mode. Which of the two it is shows in the
 * file type: 33188 is a file's only in decimal, 100644 only in octal. Without a file type it is octal (644).
 */
const statMode = (text: string): string | undefined => {
  if (!/^\d{1,7}$/.test(text)) return undefined;
  const decimal = Number.parseInt(text, 10);
  if (!text.startsWith('0') && isStatMode(decimal)) return octalText(decimal);
  if (!/^[0-7]+$/.test(text)) return undefined;
  const octal = Number.parseInt(text, 8);
  return octal <= 0o7777 || isStatMode(octal) ? octalText(octal) : undefined;
};

/**
 * Permissions kept in an object's user metadata, of which only the low twelve bits count. `mode`: see above.
 * `file-permissions`: octal, as AWS DataSync and FSx for Lustre write it (0755, 0100644). Anything else states none.
 */
export const metadataPermissions = (metadata: Readonly<Record<string, string>> | undefined): string | undefined => {
  const mode = metadata?.mode === undefined ? undefined : statMode(metadata.mode);
  if (mode !== undefined) return mode;
  const posix = metadata?.['file-permissions'];
  return posix !== undefined && /^[0-7]{3,7}$/.test(posix) ? octalText(Number.parseInt(posix, 8)) : undefined;
};

import { isFolder } from './event.ts';
import { Invalid, readObject, shown } from './fields.ts';
import { field } from './limits.ts';

/** The file type bits of st_mode, and the types that exist: FIFO, device, folder, block device, file, link, socket. */
const typeMask = 0o170000;
const types: ReadonlySet<number> = new Set([0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000]);

const octalText = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

/** Those of them that an object can stand for: 4755, meant in octal, would be the decimal st_mode of a FIFO. */
const objectTypes: ReadonlySet<number> = new Set([0o040000, 0o100000, 0o120000]);

const isStatMode = (mode: number, among: ReadonlySet<number>): boolean =>
  mode <= 0o177777 && among.has(mode & typeMask);

/**
 * `mode` as s3fs (decimal, 33188) and rclone (octal, 100644 or 0100644) write st_mode. Which of the two it is shows in the
 * file type: 33188 is a file's only in decimal, 100644 only in octal. Without a file type it is octal (644).
 */
const statMode = (text: string): string | undefined => {
  if (!/^\d{1,7}$/.test(text)) return undefined;
  const decimal = Number.parseInt(text, 10);
  if (!text.startsWith('0') && isStatMode(decimal, objectTypes)) return octalText(decimal);
  if (!/^[0-7]+$/.test(text)) return undefined;
  const octal = Number.parseInt(text, 8);
  return octal <= 0o7777 || isStatMode(octal, types) ? octalText(octal) : undefined;
};

const octalMode = (text: string): string | undefined =>
  /^[0-7]{3,7}$/.test(text) ? octalText(Number.parseInt(text, 8)) : undefined;

/** How each tool keeps permissions in an object's user metadata; the first that can be read wins. */
const readers: readonly (readonly [name: string, read: (text: string) => string | undefined])[] = [
  ['mode', statMode],
  // AWS DataSync and FSx for Lustre: 0755, 0100644.
  ['file-permissions', octalMode],
  // gsutil and gcloud storage with --preserve-posix: 644.
  ['goog-reserved-posix-mode', octalMode],
];

/**
 * Permissions kept in the user metadata of a key's object, of which only the low twelve bits count. Undefined where it states
 * none, and for a folder's marker, whose permissions are not the folder's.
 */
export const metadataPermissions = (
  key: string,
  metadata: Readonly<Record<string, string>> | undefined,
): string | undefined => {
  if (isFolder(key)) return undefined;
  for (const [name, read] of readers) {
    const text = metadata !== undefined && Object.hasOwn(metadata, name) ? metadata[name] : undefined;
    const permissions = text === undefined ? undefined : read(text);
    if (permissions !== undefined) return permissions;
  }
  return undefined;
};

const bareName = (header: string): string => header.toLowerCase().replace(/^x-amz-meta-/, '');

const textsOf = (pairs: readonly (readonly [unknown, unknown])[]): Record<string, string> =>
  Object.fromEntries(
    pairs.map(([name, value]) => {
      if (typeof name !== 'string' || typeof value !== 'string')
        throw new Invalid(`metadata: expected names and values that are strings, found ${shown([name, value])}`);
      return [bareName(name), value] as const;
    }),
  );

/** Permissions in metadata that came along as an object of names (GCS) or headers (MinIO). Throws Invalid for anything else. */
export const notifiedPermissions = (key: string, object: unknown, name: string): string | undefined => {
  const metadata = readObject(object, name);
  return metadata && metadataPermissions(key, textsOf(Object.entries(metadata)));
};

/** The same for a list of `{key, val}` (Ceph). */
export const listedPermissions = (key: string, object: unknown, name: string): string | undefined => {
  const list = field(object, name);
  if (list === undefined || list === null) return undefined;
  if (!Array.isArray(list)) throw new Invalid(`${name}: expected a list of key and val, found ${shown(list)}`);
  return metadataPermissions(
    key,
    textsOf(list.map((entry: unknown) => [field(entry, 'key'), field(entry, 'val')] as const)),
  );
};

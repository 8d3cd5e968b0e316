/**
 * From bucket key to path. The map is the identity on every key that a disk can hold under its own name, and hence
 * injective; any other key is refused with its reason, and goes to quarantine. Nothing is normalised, trimmed or
 * re-encoded: keys that differ only by case or by Unicode composition stay apart.
 */
export type PathCheck = { readonly path: string } | { readonly problem: string };

const segmentBytesMax = 255;
const keyBytesMax = 1_024;

/** Names at the top that belong to the service and its file manager: their own folder, and temporary names of plans. */
const ownNames = /^\.s3-sync(-tmp-[0-9a-f]+)?$/i;

/** The path of a key, or why there is none. A trailing `/` names a folder. */
export const pathOfKey = (key: string): PathCheck => {
  const shown = JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key);
  if (key === '') return { problem: 'the key is empty' };
  if (!key.isWellFormed()) return { problem: `${shown} is not valid Unicode (a lone surrogate)` };
  if (Buffer.byteLength(key) > keyBytesMax) return { problem: `${shown} is longer than ${keyBytesMax} bytes` };
  if (key.includes('\0')) return { problem: `${shown} holds a NUL, which no file name can` };
  if (key.startsWith('/')) return { problem: `${shown} starts with '/': its first segment is empty` };
  const segments = key.split('/');
  if (key.endsWith('/')) segments.pop();
  for (const segment of segments) {
    if (segment === '') return { problem: `${shown} has an empty segment ('//')` };
    if (segment === '.' || segment === '..')
      return { problem: `${shown} has a segment '${segment}', which a disk resolves` };
    if (Buffer.byteLength(segment) > segmentBytesMax) {
      return { problem: `${shown} has a segment longer than ${segmentBytesMax} bytes` };
    }
  }
  if (ownNames.test(segments[0] as string))
    return { problem: `${shown} begins with a name that the service keeps for itself` };
  return { path: key };
};

/**
 * The path of an object, or why there is none. A key that ends in `/` stands for a folder, which has no content: such an
 * object with bytes in it cannot be carried over.
 */
export const pathOfObject = (key: string, size: number | undefined): PathCheck => {
  const checked = pathOfKey(key);
  if ('problem' in checked || !key.endsWith('/') || size === undefined || size === 0) return checked;
  return {
    problem: `${JSON.stringify(key)} names a folder and holds ${size} bytes: a folder has no content, give the object another key`,
  };
};

/**
 * The key of an S3 event notification: form-url-encoded, decoded exactly once (S3 user guide, event message structure).
 * Undefined when malformed.
 */
export const decodeNotificationKey = (encoded: string): string | undefined => {
  try {
    return decodeURIComponent(encoded.replace(/\+/g, ' '));
  } catch {
    return undefined;
  }
};

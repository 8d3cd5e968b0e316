/** Paths as the planner sees them: `/` between segments, and at the end of a folder. */

/** The folder that a path lies in, `''` at the top. */
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/', path.length - 2) + 1);

const plain = /^[\0-\x7f]*$/;

/**
 * The name under which a disk that ignores case (and Unicode's composition) finds a path. Two paths with the same one are
 * never in each other's way on a disk that tells them apart, so treating them as rivals costs at most a step aside.
 */
export const diskName = (path: string): string =>
  plain.test(path) ? path.toLowerCase() : path.normalize('NFC').toLowerCase();

/** Order of the UTF-8 bytes, which is the order of code points: JavaScript's `<` puts surrogates before U+E000. */
export const comparePaths = (a: string, b: string): number => {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left === right) continue;
    const bothPlain = left < 0xd800 || right < 0xd800;
    return bothPlain ? left - right : lifted(left) - lifted(right);
  }
  return a.length - b.length;
};

/** A code unit as it sorts by code point: surrogates behind everything else of the basic plane. */
const lifted = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

/** Rows in path order, and the run of them that lies beneath a folder. */
export const beneathIn =
  (paths: readonly string[]) =>
  (folder: string): readonly [from: number, to: number] => {
    const firstNotBefore = (isBehind: (path: string) => boolean, low: number): number => {
      let high = paths.length;
      let from = low;
      while (from < high) {
        const middle = (from + high) >> 1;
        if (isBehind(paths[middle] as string)) high = middle;
        else from = middle + 1;
      }
      return from;
    };
    const from = firstNotBefore((path) => comparePaths(path, folder) >= 0, 0);
    return [from, firstNotBefore((path) => comparePaths(path, folder) > 0 && !path.startsWith(folder), from)];
  };

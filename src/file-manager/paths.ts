import { lstat, type Stats } from 'node:fs';
import { promisify } from 'node:util';
import { Problem } from './problem.ts';

/**
 * Paths as callers write them, and where they lie on disk.
 *
 * Invariant: a disk path made here is inside the root, and no component of it that exists is a symbolic link. The links
 * are looked for again at each use; who can create links inside the root while a request runs can write there anyway.
 */

/** The folder at the root that the file manager keeps for itself; no caller's path leads into it. */
export const stateFolder = '.s3-sync';

export const pathLimits = { bytesMax: 2048, segmentBytesMax: 255, depthMax: 512 } as const;

const lstatOf = promisify(lstat);

/** True for a path that names a folder and all beneath it. */
export const isFolder = (path: string): boolean => path.endsWith('/');

const refuse = (reason: string): never => {
  throw new Problem('bad-path', `the path is refused: ${reason}`);
};

const devices = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])( *\.|$)/i;

/** Why a disk of Windows cannot hold a name as it is: it would be refused, or silently be another one. */
export const windowsProblem = (segment: string): string | undefined => {
  if (/[\u0000-\u001f<>:"|?*\\]/.test(segment)) return 'a segment holds one of < > : " | ? * \\ or a control character';
  if (/[. ]$/.test(segment)) return 'a segment ends in a dot or a space, which Windows leaves out';
  return devices.test(segment) ? `"${segment}" is the name of a device on Windows` : undefined;
};

/** Returns the path when it may be stored; throws a `bad-path` problem that says why not. */
export const checkedPath = (value: unknown): string => {
  if (typeof value !== 'string' || value === '') return refuse('it is missing or empty');
  if (!value.isWellFormed()) return refuse('it holds a lone surrogate, so it has no UTF-8 form');
  if (value.includes('\0')) return refuse('it holds a NUL character');
  if (Buffer.byteLength(value) > pathLimits.bytesMax) return refuse(`it is longer than ${pathLimits.bytesMax} bytes`);
  const segments = (isFolder(value) ? value.slice(0, -1) : value).split('/');
  if (segments[0] === '') return refuse('it is absolute, or starts with a slash');
  if (segments.length > pathLimits.depthMax) return refuse(`it has more than ${pathLimits.depthMax} segments`);
  for (const segment of segments) {
    if (segment === '') return refuse('it has an empty segment');
    if (segment === '.' || segment === '..') return refuse(`"${segment}" is no name of a file or folder`);
    if (Buffer.byteLength(segment) > pathLimits.segmentBytesMax) {
      return refuse(`a segment is longer than ${pathLimits.segmentBytesMax} bytes`);
    }
    const problem = process.platform === 'win32' ? windowsProblem(segment) : undefined;
    if (problem !== undefined) return refuse(problem);
  }
  if (segments[0]?.toLowerCase() === stateFolder) return refuse(`"${stateFolder}" is the file manager's own folder`);
  return value;
};

/** The folders above a path, the outermost first: `a/b/c` has `a/` and `a/b/`, and so has `a/b/c/`. */
export const parentsOf = (path: string): string[] => {
  const segments = (isFolder(path) ? path.slice(0, -1) : path).split('/');
  return segments.slice(0, -1).map((_, index) => `${segments.slice(0, index + 1).join('/')}/`);
};

/** Where a path lies under `root`. */
export const onDisk = (root: string, path: string): string => `${root}/${isFolder(path) ? path.slice(0, -1) : path}`;

/** What lies at a disk path, without following links; undefined when there is nothing. */
export const statOf = async (diskPath: string): Promise<Stats | undefined> => {
  try {
    return await lstatOf(diskPath);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
};

export type Found = { readonly kind: 'none' | 'file' | 'folder'; readonly stats: Stats | undefined };

/**
 * What the root holds at a path, with every parent checked: a link anywhere is `outside-root`, a parent that is a file is
 * a `conflict` (or, with `lenient`, means that nothing is there).
 */
export const look = async (root: string, path: string, options: { lenient?: boolean } = {}): Promise<Found> => {
  for (const parent of parentsOf(path)) {
    const stats = await statOf(onDisk(root, parent));
    if (stats === undefined) return { kind: 'none', stats: undefined };
    if (stats.isSymbolicLink()) throw linkProblem(parent);
    if (!stats.isDirectory()) {
      if (options.lenient) return { kind: 'none', stats: undefined };
      throw new Problem('conflict', `"${parent.slice(0, -1)}" is a file, so nothing can be stored beneath it`);
    }
  }
  const stats = await statOf(onDisk(root, path));
  if (stats === undefined) return { kind: 'none', stats };
  if (stats.isSymbolicLink()) throw linkProblem(path);
  if (stats.isDirectory()) return { kind: 'folder', stats };
  if (stats.isFile()) return { kind: 'file', stats };
  throw new Problem('conflict', `"${path}" is neither a file nor a folder on the disk of the file manager: remove it`);
};

const linkProblem = (path: string): Problem =>
  new Problem('outside-root', `"${path}" is a symbolic link on the disk of the file manager: links are never followed`);

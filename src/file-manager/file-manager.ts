import type { Readable } from 'node:stream';

/** Options of every call to the file manager. */
export type CallOptions = {
  /** Sent as `Idempotency-Key`: repeating it has no second effect. */
  readonly idempotencyKey: string;
  readonly signal?: AbortSignal;
  /**
   * Called where the file manager says that the answer comes from its memory of the key, with the answer's age in
   * milliseconds where it is told, rounded down to seconds. What it throws is thrown on.
   */
  readonly onRemembered?: ((ageMs: number | undefined) => void) | undefined;
};

/** The bytes of one save. `length` is exact: the file manager refuses a body that is longer or shorter. */
export type Content = {
  readonly body: Readable;
  readonly length: number;
  /** Capability `save-permissions`: in effect before the content can be read. Of a folder, its own alone. */
  readonly permissions?: string | undefined;
};

/**
 * The file manager: the other of the service's two ports. `openapi.yaml` beside this file is the definition.
 *
 * Each call resolves once the file manager has confirmed the effect; errors are `RetryableError` (with Retry-After where
 * given) or `FatalError` with the problem's title and detail.
 */
export type FileManager = {
  /** Stores a file, or (for a path that ends in `/`) a folder of its own. Readable under `path` only when complete. */
  saveToDisk(path: string, content: Content, options: CallOptions): Promise<void>;
  /**
   * Sets permissions of a file, or of one that is about to be saved: they are kept until its content arrives. Of a folder:
   * for all beneath it, or (`recursive` false, capability `folder-permissions`) for itself alone.
   */
  updatePermissions(
    path: string,
    permissions: string,
    options: CallOptions & { readonly recursive?: boolean },
  ): Promise<void>;
  /**
   * Deletes a file, or a folder with all beneath it. Deleting what is not there succeeds. With `recursive` false a folder
   * only stops being one of its own: what is in it stays, and it goes when it is empty.
   */
  delete(path: string, options: CallOptions & { readonly recursive?: boolean }): Promise<void>;
  /** Renames within a folder; replaces what is at `to`. */
  rename(path: string, to: string, options: CallOptions): Promise<void>;
  /** Moves to another folder; replaces what is at `to`. */
  move(path: string, to: string, options: CallOptions): Promise<void>;
  /** Delivers a cycle's report. */
  report(report: unknown, options: CallOptions): Promise<void>;
  /** What the file manager is and can do; also the connection check. */
  describe(options?: { signal?: AbortSignal }): Promise<FileManagerInfo>;
  /** Every file with size and permissions, in path order, for `verify`; `after`: those behind this path. */
  list(options?: { after?: string; signal?: AbortSignal }): AsyncIterable<FileManagerEntry>;
  /** The stored bytes, for `verify --checksum`. */
  read(path: string, options?: { signal?: AbortSignal }): Promise<Readable>;
};

export type FileManagerInfo = {
  readonly name: string;
  readonly version: string;
  /**
   * `folders`: rename, move and delete of a whole folder in one call. `folder-permissions`: permissions of a folder without
   * those of what is beneath. `save-permissions`: permissions with the content of a save, in one request. `trash`: deletes can
   * be undone.
   */
  readonly capabilities: readonly string[];
};

export type FileManagerEntry = {
  readonly path: string;
  readonly size: number;
  readonly permissions: string | null;
  /** Hex MD5 of the content, where the file manager keeps it. */
  readonly md5?: string;
};

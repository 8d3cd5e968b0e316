/**
 * Errors are told apart by what the caller must do. They are thrown upwards and logged once, where the decision is made.
 * Each message says what was wrong, where, and what to do.
 */

/** Exit codes of every command. */
export const exitCode = { done: 0, failed: 1, usage: 2, held: 3 } as const;

/** The user must change the configuration or the command line. Exit 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** The same call may succeed later. `retryAfterMs` is what the other side asked for, if it did. */
export class RetryableError extends Error {
  override readonly name = 'RetryableError';
  readonly retryAfterMs: number | undefined;
  constructor(message: string, options: ErrorOptions & { retryAfterMs?: number | undefined } = {}) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The code of an error of the system's or a library's, such as ENOENT; empty where it has none. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** Whether a handshake of TLS was answered in plain text: the server does not speak it. */
export const isPlainText = (code: string, text: string): boolean =>
  (code === 'EPROTO' || code.startsWith('ERR_SSL')) &&
  /(wrong.version.number|packet.length.too.long)/i.test(code + text);

/** A broker does not answer: what it has to give is not known. */
export class UnreachableError extends RetryableError {}

/** Repeating the call is of no use. Exit 1. */
export class FatalError extends Error {
  override readonly name = 'FatalError';
}

/** A disk of this machine is full. Exit 1. */
export class DiskFullError extends FatalError {}

/** A stop came before the command could begin. Exit 1, but for what runs until it is stopped. */
export class StoppedError extends FatalError {}

/** The log or the views hold what no repeated call can use: even what runs for ever ends with it. Exit 1. */
export class DamageError extends FatalError {}

/** Who writes: what it has left beside its lock. */
export type Holder = { readonly command: string; readonly pid: number; readonly since: string };

/** Names a writer in a message; undefined when it cannot be told. */
export const nameOfHolder = (by: Partial<Holder> | undefined): string =>
  by?.command ? `'s3-sync ${by.command}' (pid ${by.pid}, since ${by.since})` : 'another process';

/** Another process is the data folder's writer. `command` is undefined when it cannot be told. Exit 1. */
export class FolderInUseError extends FatalError {
  /** Names the writer in a message. */
  readonly holder: string;
  readonly command: string | undefined;
  constructor(folder: string, by: Holder | undefined, options: ErrorOptions) {
    const holder = nameOfHolder(by);
    super(
      `the data folder ${folder} is in use by ${holder}: stop it first, or set DATA_DIR to another folder`,
      options,
    );
    this.holder = holder;
    this.command = by?.command;
  }
}

/** The object changed or vanished while it was carried over: not a failure, a later event supersedes this one. */
export class SupersededError extends Error {
  override readonly name = 'SupersededError';
}

/** The safety gate holds a plan until a person releases it by its id. Exit 3. */
export class SafetyStop extends Error {
  override readonly name = 'SafetyStop';
  readonly planId: string;
  constructor(message: string, planId: string, options: ErrorOptions = {}) {
    super(message, options);
    this.planId = planId;
  }
}

/** The text of anything thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The text of what a command ended with. A request that a stop cut off says nothing by itself. */
export const problemOf = (error: unknown, { aborted }: AbortSignal): string =>
  aborted && error instanceof Error && error.name === 'AbortError'
    ? 'stopped before it had ended: run it again'
    : messageOf(error);

/** Whether every further call would meet it as well, such as a wrong token: only a person can put it right. */
export const isOfSettings = (error: unknown): boolean =>
  error instanceof ConfigError || (error instanceof Error && 'stop' in error && error.stop === true);

/** The exit code of a command that ended with this error. */
export const exitCodeFor = (error: unknown): number =>
  isOfSettings(error) ? exitCode.usage : error instanceof SafetyStop ? exitCode.held : exitCode.failed;

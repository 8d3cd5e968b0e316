import { ConfigError, FatalError, isPlainText, messageOf, RetryableError } from '../errors.ts';
import { retryAfterMs } from '../retry-after.ts';

/**
 * A failure that every further call would meet as well: wrong token, not a file manager, a redirect. `stop` tells the
 * caller to end the cycle; the operation itself is not at fault.
 */
export class StopError extends FatalError {
  readonly stop = true;
  readonly reason: 'unauthorized' | 'not-a-file-manager' | 'redirect';
  constructor(reason: StopError['reason'], message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.reason = reason;
  }
}

/** A refusal with an HTTP status: the problem of one operation, such as a conflict. */
export class RefusedError extends FatalError {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The key belongs to another request (422), or what the file manager remembers under it is not of this request's making. */
export class KeyUsedError extends RefusedError {
  constructor(message: string) {
    super(422, message);
  }
}

/** A success that claims something else than what was asked for: what the file manager holds there now is not known. */
export class LieError extends FatalError {}

/**
 * A failure that the file manager itself has told (500, 507): it may succeed later, nobody knows how much of it has
 * happened, and nothing of it goes on. Answers of a gateway, and of one that is busy, are none: behind them it may.
 */
export class FailedAnswerError extends RetryableError {}

/** It has no space left (507): other saves fail as well, and deletes may not. */
export class NoSpaceError extends FailedAnswerError {}

const notItsOwn = new Set([502, 503, 504]);
const retryableStatus = new Set([408, 425, 429]);
const textMax = 500;

/** Printable and short, so that an answer can neither flood nor forge a log line. */
const clean = (text: unknown): string =>
  typeof text === 'string' ? text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ').slice(0, textMax) : '';

/** What an answer that is no success means. `what` names the request, `body` is its bounded text. */
export const errorOfAnswer = (
  what: string,
  response: Response,
  body: string,
  options: { nowMs: number; retryAfterCapMs: number },
): Error => {
  const { status } = response;
  const problem = problemIn(body);
  const said =
    problem === undefined ? '' : `: ${[clean(problem.title), clean(problem.detail)].filter(Boolean).join(': ')}`;
  if (status === 401 || status === 403) {
    // A refusal of one path is a problem of that path; anything else is about who asks.
    if (status === 403 && problem?.type === 'urn:s3-sync:problem:outside-root') {
      return new RefusedError(status, `${what} was refused with ${status}${said}`);
    }
    return new StopError('unauthorized', `${what} answered ${status}: check FILE_MANAGER_TOKEN${said}`);
  }
  if (status >= 300 && status < 400) return redirectError(what);
  if (status >= 500 || retryableStatus.has(status)) {
    const wait = retryAfterMs(response.headers.get('retry-after'), options.nowMs, options.retryAfterCapMs);
    return new (failureOf(status))(`${what} answered ${status}${said}`, { retryAfterMs: wait });
  }
  if (problem === undefined) return notAFileManager(`${what} answered ${status} without a problem description`);
  const refused = `${what} was refused with ${status}${said}`;
  return status === 422 ? new KeyUsedError(refused) : new RefusedError(status, refused);
};

const failureOf = (status: number): typeof RetryableError => {
  if (status === 507) return NoSpaceError;
  return status >= 500 && !notItsOwn.has(status) ? FailedAnswerError : RetryableError;
};

type ProblemText = { readonly type?: unknown; readonly title?: unknown; readonly detail?: unknown };

const problemIn = (body: string): ProblemText | undefined => {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && ('title' in value || 'detail' in value) ? value : undefined;
  } catch {
    return undefined;
  }
};

export const notAFileManager = (said: string): StopError =>
  new StopError('not-a-file-manager', `${said}: is FILE_MANAGER_API_URL a file manager?`);

const redirectError = (what: string, cause?: unknown): StopError =>
  new StopError('redirect', `${what} answered with a redirect, which is never followed: correct FILE_MANAGER_API_URL`, {
    cause,
  });

/** The innermost cause: fetch and ky wrap what happened on the socket. */
const causeOf = (error: unknown, depth = 0): unknown =>
  error instanceof Error && error.cause !== undefined && depth < 8 ? causeOf(error.cause, depth + 1) : error;

/** What a request that got no whole answer means. */
export const errorOfFailure = (what: string, error: unknown): Error => {
  if (error instanceof RetryableError || error instanceof FatalError) return error;
  const cause = causeOf(error);
  const text = messageOf(cause);
  if (/redirect/i.test(text)) return redirectError(what, error);
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  // The request could not even be made, and the text may repeat its address or its token.
  if (cause instanceof TypeError && /\b(Request|Headers|header|URL)\b/.test(text))
    return new ConfigError(`${what} cannot be sent: check FILE_MANAGER_API_URL and FILE_MANAGER_TOKEN`);
  // Fetch leaves out the ports of other protocols, such as 6000 and 10080, whoever listens there.
  if (text === 'bad port')
    return new ConfigError(
      `${what} cannot be sent: the port in FILE_MANAGER_API_URL is one that HTTP clients refuse: have the file manager listen at another`,
      { cause: error },
    );
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/.test(code)) {
    return new FatalError(`${what} failed: the certificate of the file manager is not trusted (${code})`, {
      cause: error,
    });
  }
  if (isPlainText(code, text)) {
    return new FatalError(
      `${what} failed: the file manager does not speak TLS: should FILE_MANAGER_API_URL begin with http:// instead of https://?`,
      { cause: error },
    );
  }
  if (/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH/.test(code)) {
    return new RetryableError(
      `${what} failed: the file manager cannot be reached (${clean(text) || code}): check FILE_MANAGER_API_URL`,
      { cause: error },
    );
  }
  return new RetryableError(`${what} failed: ${clean(text) || code || 'the connection broke'}`, { cause: error });
};

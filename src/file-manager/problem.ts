import { codeOf, DiskFullError } from '../errors.ts';
/**
 * An answer as RFC 9457 describes it: thrown by whatever finds the problem, sent as `application/problem+json`.
 * `title` is constant for a kind of problem; `detail` names the path and says what to do.
 */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly kind: ProblemKind;
  readonly headers: Readonly<Record<string, string>>;
  constructor(kind: ProblemKind, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.kind = kind;
    this.status = problemKinds[kind].status;
    this.headers = headers;
  }
}

const problemKinds = {
  'bad-request': { status: 400, title: 'The request is not understood' },
  'bad-path': { status: 400, title: 'The path is not allowed' },
  'checksum-mismatch': { status: 400, title: 'The content does not match its checksum' },
  'length-mismatch': { status: 400, title: 'The content does not have its declared length' },
  'key-missing': { status: 400, title: 'The Idempotency-Key header is missing' },
  unauthorized: { status: 401, title: 'The bearer token is missing or wrong' },
  'outside-root': { status: 403, title: 'The path leads through a symbolic link' },
  'not-found': { status: 404, title: 'There is nothing at the path' },
  'method-not-allowed': { status: 405, title: 'The endpoint does not take this method' },
  stalled: { status: 408, title: 'The request did not arrive in time' },
  conflict: { status: 409, title: 'The path is taken by something of another kind' },
  'length-required': { status: 411, title: 'The length of the content is not declared' },
  'too-large': { status: 413, title: 'The body is too large' },
  'key-reused': { status: 422, title: 'The Idempotency-Key belongs to another request' },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
  internal: { status: 500, title: 'The file manager failed' },
  busy: { status: 503, title: 'The file manager is busy' },
  'no-space': { status: 507, title: 'The disk is full' },
} as const;

export type ProblemKind = keyof typeof problemKinds;

/** The body of the answer. */
export const problemBody = (problem: Problem) => ({
  type: `urn:s3-sync:problem:${problem.kind}`,
  title: problemKinds[problem.kind].title,
  status: problem.status,
  detail: problem.message,
});

export const noSpace = (): Problem =>
  new Problem('no-space', 'no space is left on the disk of the file manager: free some and try again');

/** What an error of the disk, of SQLite or of the HTTP layer means to the caller. Internals never reach the answer. */
export const asProblem = (error: unknown): Problem => {
  if (error instanceof Problem) return error;
  if (error instanceof DiskFullError) return noSpace();
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return noSpace();
    case 'ENAMETOOLONG':
      return new Problem('bad-path', 'the path is too long for the file system of the file manager');
    case 'ELOOP':
      return new Problem('outside-root', 'the path leads through a symbolic link: remove the link');
    case 'EACCES':
    case 'EPERM':
      return new Problem('internal', 'the file manager may not write there: check the owner of its root folder');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Problem('bad-request', 'send the body as JSON, with "Content-Type: application/json"');
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem('too-large', 'the body is larger than this endpoint takes');
    case 'ECONNRESET':
    case 'ERR_STREAM_PREMATURE_CLOSE':
      return new Problem('length-mismatch', 'the connection ended before the whole body had arrived');
  }
  if (error instanceof Error && 'statusCode' in error && Number(error.statusCode) < 500) {
    return new Problem('bad-request', error.message);
  }
  return new Problem('internal', 'an unexpected error; the log of the file manager has the details');
};

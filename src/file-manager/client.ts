import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { FatalError, RetryableError } from '../errors.ts';
import { leaveConnectionsThatRefused } from './client-connections.ts';
import { LieError, notAFileManager } from './client-errors.ts';
import { type Exchange, type ExchangeLimits, exchangeJson, openSuccess, piecesOfAnswer } from './client-exchange.ts';
import { entriesIn } from './client-listing.ts';
import type { CallOptions, FileManager, FileManagerInfo } from './file-manager.ts';

export type ClientOptions = Partial<ExchangeLimits> & {
  /** `FILE_MANAGER_API_URL`; a path in it is kept in front of every endpoint. */
  readonly baseUrl: string;
  /** `FILE_MANAGER_TOKEN`. */
  readonly token?: string | undefined;
};

const defaults: ExchangeLimits = {
  connectTimeoutMs: 10_000,
  responseTimeoutMs: 60_000,
  stallTimeoutMs: 60_000,
  totalTimeoutMs: 6 * 3_600_000,
  answerBytesMax: 8_388_608,
  retryAfterCapMs: 300_000,
};

/** Beside the port: brings back what requests with these keys deleted (capability `trash`). */
export type Undone = { readonly restored: readonly string[]; readonly skipped: readonly SkippedUndo[] };
export type SkippedUndo = { readonly path: string; readonly reason: string };
export type FileManagerClient = FileManager & {
  undo(what: { keys?: readonly string[]; paths?: readonly string[] }, options: CallOptions): Promise<Undone>;
};

/**
 * The file manager over HTTP. Never repeats a request by itself: the executor does, and the errors carry what it needs.
 * `StopError` (a FatalError with `stop: true`) means that every further call would fail as well.
 */
export const createFileManagerClient = (options: ClientOptions): FileManagerClient => {
  leaveConnectionsThatRefused();
  const { baseUrl, token, ...given } = options;
  const limits: ExchangeLimits = { ...defaults, ...given };
  const base = baseUrl.replace(/\/+$/, '');
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const get = (path: string, signal: AbortSignal | undefined, accept = 'application/json'): Exchange => ({
    what: `GET ${path.split('?')[0]} of the file manager`,
    method: 'get',
    url: `${base}${path}`,
    headers: { ...authorization, accept },
    signal,
  });
  const post = async (
    endpoint: string,
    fields: unknown,
    { idempotencyKey, signal, onRemembered }: CallOptions,
  ): Promise<Record<string, unknown>> => {
    const body = Buffer.from(JSON.stringify(fields));
    const exchange: Exchange = {
      what: `POST /${endpoint} of the file manager`,
      method: 'post',
      url: `${base}/${endpoint}`,
      headers: { ...authorization, 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
      body: { chunks: [body], length: body.length },
      onSuccess: tellOf(onRemembered),
      signal,
    };
    const answer = await exchangeJson(exchange, limits);
    confirm(exchange.what, answer, {});
    return answer;
  };
  const change = async (
    endpoint: string,
    fields: { path: string; to?: string; [name: string]: unknown },
    call: CallOptions,
  ) => {
    const answer = await post(endpoint, fields, call);
    const { path, to } = fields;
    confirm(`POST /${endpoint} of the file manager`, answer, { path, ...(to !== undefined && { to }) });
  };

  return {
    saveToDisk: async (path, { body, length, permissions }, { idempotencyKey, signal, onRemembered }) => {
      const what = 'PUT /saveToDisk of the file manager';
      const md5 = createHash('md5');
      const exchange: Exchange = {
        what,
        method: 'put',
        url: `${base}/saveToDisk?path=${encoded(path)}`,
        headers: {
          ...authorization,
          'content-type': 'application/octet-stream',
          'idempotency-key': idempotencyKey,
          ...(permissions !== undefined && { 'x-permissions': encoded(permissions) }),
        },
        body: { chunks: body, length },
        onChunk: (chunk) => md5.update(chunk),
        onSuccess: tellOf(onRemembered),
        isUpload: true,
        signal,
      };
      const answer = await exchangeJson(exchange, limits);
      confirm(what, answer, { path, size: length, ...(permissions !== undefined && { permissions }) });
      if (answer['md5'] !== undefined) confirm(what, answer, { md5: md5.digest('hex') });
    },
    updatePermissions: (path, permissions, { recursive, ...call }) =>
      change('updatePermissions', { path, permissions, ...(recursive !== undefined && { recursive }) }, call),
    delete: (path, { recursive, ...call }) =>
      change('delete', { path, ...(recursive !== undefined && { recursive }) }, call),
    rename: (path, to, call) => change('rename', { path, to }, call),
    move: (path, to, call) => change('move', { path, to }, call),
    report: async (report, call) => {
      await post('report', report, call);
    },
    undo: async (what, call) => undoneIn(await post('undo', what, call)),
    describe: async ({ signal } = {}) => infoIn(await exchangeJson(get('/', signal), limits)),
    list: async function* ({ after, signal } = {}) {
      const rest = after === undefined ? '' : `?after=${encoded(after)}`;
      const exchange = get(`/files${rest}`, signal, 'application/x-ndjson');
      const opened = await openSuccess(exchange, limits);
      yield* entriesIn(piecesOfAnswer(opened, exchange, limits), opened.response.headers.get('content-type'));
    },
    read: async (path, { signal } = {}) => {
      const exchange = get(`/content?path=${encoded(path)}`, signal, '*/*');
      const opened = await openSuccess(exchange, limits);
      const length = opened.response.headers.get('content-length');
      return Readable.from(exactly(piecesOfAnswer(opened, exchange, limits), length), { objectMode: false });
    },
  };
};

/** Every byte that is not plain leaves as %XX, so nothing can reach another header or endpoint. */
const encoded = (text: string): string => {
  if (!text.isWellFormed()) throw new FatalError(`${JSON.stringify(text)} holds a lone surrogate, so it can't be sent`);
  return encodeURIComponent(text);
};

/** Tells of an answer that the file manager gave from its memory of the key, and says so (`openapi.yaml`). */
const tellOf = (onRemembered: CallOptions['onRemembered']) => (headers: Headers) => {
  if (headers.get('idempotent-replayed') !== 'true') return;
  const age = headers.get('age') ?? '';
  onRemembered?.(/^\d{1,12}$/.test(age) ? Number(age) * 1_000 : undefined);
};

/** Checks that an answer says what was asked for; another claim means that something else was stored. */
const confirm = (what: string, answer: Record<string, unknown>, expected: Record<string, string | number>): void => {
  if (answer['ok'] !== true) throw notAFileManager(`${what} answered without "ok": true`);
  for (const [name, value] of Object.entries(expected)) {
    if (answer[name] === value) continue;
    const said = JSON.stringify(answer[name])?.slice(0, 200) ?? 'nothing';
    throw new LieError(
      `${what} answered with a lie: "${name}" should be ${JSON.stringify(value)} and is ${said}. ` +
        'Nothing is known about what it holds now: run verify',
    );
  }
};

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((text) => typeof text === 'string');

const infoIn = (answer: Record<string, unknown>): FileManagerInfo => {
  const { name, version, capabilities } = answer;
  if (typeof name === 'string' && typeof version === 'string' && isTexts(capabilities)) {
    return { name, version, capabilities };
  }
  throw notAFileManager('GET / answered without name, version and capabilities');
};

const undoneIn = (answer: Record<string, unknown>): Undone => {
  const { restored, skipped } = answer;
  const isSkipped = (value: unknown): value is SkippedUndo =>
    typeof value === 'object' && value !== null && 'path' in value && 'reason' in value;
  if (isTexts(restored) && Array.isArray(skipped) && skipped.every(isSkipped)) return { restored, skipped };
  throw notAFileManager('POST /undo answered without "restored" and "skipped"');
};

/** Passes the pieces on; errors when they are fewer or more than the header has promised. */
async function* exactly(pieces: AsyncIterable<Buffer>, length: string | null): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    yield piece;
  }
  if (length !== null && size !== Number(length)) {
    throw new RetryableError(`GET /content of the file manager ended after ${size} of ${length} bytes`);
  }
}

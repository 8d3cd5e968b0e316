import type { Readable } from 'node:stream';
import ky from 'ky';
import { RetryableError } from '../errors.ts';
import { errorOfAnswer, errorOfFailure, notAFileManager } from './client-errors.ts';

/** All in milliseconds or bytes. */
export type ExchangeLimits = {
  /** From the start of a request to the first byte that the other side takes of its body. */
  readonly connectTimeoutMs: number;
  /** From the end of the request to the headers of the answer. */
  readonly responseTimeoutMs: number;
  /** Longest pause between two pieces, in either direction. */
  readonly stallTimeoutMs: number;
  /** The whole exchange. An upload has none but that of its signal: its bytes take the time that they need. */
  readonly totalTimeoutMs: number;
  /** Largest answer that is read into memory. */
  readonly answerBytesMax: number;
  readonly retryAfterCapMs: number;
};

export type Exchange = {
  /** Names the request in messages; never holds a secret. */
  readonly what: string;
  readonly method: 'get' | 'post' | 'put';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: { readonly chunks: Readable | readonly Buffer[]; readonly length: number };
  /** Sees each piece of the body as it leaves. */
  readonly onChunk?: (chunk: Buffer) => void;
  /** Sees the headers of a success, once the answer is read. */
  readonly onSuccess?: ((headers: Headers) => void) | undefined;
  readonly isUpload?: true;
  readonly signal?: AbortSignal | undefined;
};

/** An answer whose headers have arrived. The caller reads `response` and calls `done` when it needs it no more. */
export type Opened = { readonly response: Response; readonly watch: Watch; readonly done: () => void };

type Watch = {
  readonly signal: AbortSignal;
  wait(ms: number, why: string): void;
  /** Nothing is waited for: what takes time now is a matter of this side. */
  rest(): void;
};

/** Aborts with a RetryableError that says what was waited for; `wait` starts the next phase. */
const createWatch = ({ what, isUpload, signal: outer }: Exchange, limits: ExchangeLimits): Watch & { end(): void } => {
  const controller = new AbortController();
  const fail = (why: string, ms: number) => (): void =>
    controller.abort(new RetryableError(`${what} timed out: ${why} within ${ms} ms`));
  const { totalTimeoutMs } = limits;
  const total = isUpload ? undefined : setTimeout(fail('it was not finished', totalTimeoutMs), totalTimeoutMs);
  let phase: NodeJS.Timeout | undefined;
  let current = '';
  const onAbort = (): void => controller.abort(outer?.reason);
  if (outer?.aborted) onAbort();
  outer?.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    wait: (ms, why) => {
      if (phase !== undefined && current === why) {
        phase.refresh();
        return;
      }
      clearTimeout(phase);
      current = why;
      phase = setTimeout(fail(why, ms), ms);
    },
    rest: () => {
      clearTimeout(phase);
      phase = undefined;
    },
    end: () => {
      clearTimeout(total);
      clearTimeout(phase);
      outer?.removeEventListener('abort', onAbort);
    },
  };
};

/** Sends a request and waits for the headers of its answer. Rejects with errors of `src/errors.ts` only. */
export const openExchange = async (exchange: Exchange, limits: ExchangeLimits): Promise<Opened> => {
  const { what, body } = exchange;
  const watch = createWatch(exchange, limits);
  const source: { failed?: { readonly error: unknown } } = {};
  watch.wait(body === undefined ? limits.responseTimeoutMs : limits.connectTimeoutMs, 'no connection or answer');
  try {
    const response = await ky(exchange.url, {
      method: exchange.method,
      headers: { 'accept-encoding': 'identity', ...exchange.headers },
      retry: 0,
      timeout: false,
      throwHttpErrors: false,
      signal: watch.signal,
      fetch: fetchWith(exchange, body && (() => piecesOf(exchange, body, limits, watch, source))),
    });
    watch.wait(limits.stallTimeoutMs, 'the answer stopped');
    return { response, watch, done: () => watch.end() };
  } catch (error) {
    watch.end();
    throw source.failed ? source.failed.error : asThrown(what, error, watch, exchange.signal);
  } finally {
    if (body !== undefined && 'destroy' in body.chunks) (body.chunks as Readable).destroy();
  }
};

/**
 * ky clones a body to be able to repeat it, and fetch does so to follow redirects: a large upload would lie in memory
 * twice. So neither sees it: fetch gets the pieces themselves, and no window, redirect or repeat to keep them for. It gets
 * them as a stream, because it copies each piece of a bare iterable, faster than a busy machine collects the copies.
 */
const fetchWith =
  (exchange: Exchange, pieces: (() => AsyncIterable<Uint8Array>) | undefined) =>
  (input: string | URL | Request): Promise<Response> => {
    const request = input as Request;
    const headers = new Headers(request.headers);
    if (exchange.body !== undefined) headers.set('content-length', String(exchange.body.length));
    const options = {
      method: request.method,
      headers,
      signal: request.signal,
      redirect: 'error',
      window: null,
      ...(pieces !== undefined && { body: ReadableStream.from(pieces()), duplex: 'half' }),
    };
    return fetch(request.url, options as unknown as RequestInit);
  };

async function* piecesOf(
  exchange: Exchange,
  body: NonNullable<Exchange['body']>,
  limits: ExchangeLimits,
  watch: Watch,
  source: { failed?: { readonly error: unknown } },
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  try {
    for await (const chunk of body.chunks as AsyncIterable<Buffer>) {
      sent += chunk.length;
      if (sent > body.length) break;
      exchange.onChunk?.(chunk);
      watch.wait(limits.stallTimeoutMs, 'the upload stopped');
      yield chunk;
    }
    if (sent !== body.length)
      throw new RetryableError(`the content of ${exchange.what} is not ${body.length} bytes long`);
  } catch (error) {
    // What is wrong with the source (superseded, unreadable) is told as it is, not as a failure of the file manager.
    source.failed = { error };
    throw error;
  }
  watch.wait(limits.responseTimeoutMs, 'no answer');
}

const asThrown = (what: string, error: unknown, watch: Watch, outer: AbortSignal | undefined): unknown => {
  if (outer?.aborted) return outer.reason;
  return errorOfFailure(what, watch.signal.aborted ? watch.signal.reason : error);
};

/** The pieces of an answer, with a limit on the pause between them; ends the exchange. */
export async function* piecesOfAnswer(
  opened: Opened,
  exchange: Exchange,
  limits: ExchangeLimits,
): AsyncGenerator<Buffer> {
  const { response, watch, done } = opened;
  try {
    if (response.body === null) return;
    for await (const piece of response.body) {
      watch.rest();
      yield Buffer.from(piece);
      watch.wait(limits.stallTimeoutMs, 'the answer stopped');
    }
  } catch (error) {
    throw asThrown(exchange.what, error, watch, exchange.signal);
  } finally {
    done();
  }
}

const textOf = async (opened: Opened, exchange: Exchange, limits: ExchangeLimits): Promise<string> => {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of piecesOfAnswer(opened, exchange, limits)) {
    size += piece.length;
    if (size > limits.answerBytesMax) {
      throw notAFileManager(`${exchange.what} answered with more than ${limits.answerBytesMax} bytes`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
};

/** Opens an exchange and turns every answer but a 2xx into its error. */
export const openSuccess = async (exchange: Exchange, limits: ExchangeLimits): Promise<Opened> => {
  const opened = await openExchange(exchange, limits);
  if (opened.response.ok) return opened;
  // An endless description of an error must not hide its status.
  const text = await textOf(opened, exchange, limits).catch((error: unknown) => {
    if (exchange.signal?.aborted) throw error;
    return '';
  });
  throw errorOfAnswer(exchange.what, opened.response, text, {
    nowMs: Date.now(),
    retryAfterCapMs: limits.retryAfterCapMs,
  });
};

/** Sends a request whose answer is one JSON object. */
export const exchangeJson = async (exchange: Exchange, limits: ExchangeLimits): Promise<Record<string, unknown>> => {
  const opened = await openSuccess(exchange, limits);
  const text = await textOf(opened, exchange, limits);
  exchange.onSuccess?.(opened.response.headers);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Falls through: said below, without the text, which may be anything.
  }
  throw notAFileManager(`${exchange.what} answered ${opened.response.status} with something else than a JSON object`);
};

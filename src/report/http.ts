import ky, { HTTPError, TimeoutError } from 'ky';

/** How an endpoint took a report. `refused`: it never will take this one. `problem` holds no address, which may be secret. */
export type Posted =
  | { readonly state: 'taken' }
  | { readonly state: 'refused' | 'unreachable'; readonly problem: string };

export type Post = {
  readonly url: string;
  readonly token?: string | undefined;
  readonly body: Buffer<ArrayBuffer>;
  readonly idempotencyKey: string;
  readonly timeoutMs: number;
};

/** Refusals that are about this very report: any other may pass, once a person or time has mended something. */
const refusedForGood = new Set([400, 406, 409, 413, 415, 422]);

/** Posts JSON once, to this very address: a redirect is not followed, since it would carry the report elsewhere. */
export const postJson = async ({ url, token, body, idempotencyKey, timeoutMs }: Post): Promise<Posted> => {
  try {
    const response = await ky.post(url, {
      body,
      headers: {
        'content-type': 'application/json',
        'idempotency-key': idempotencyKey,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      timeout: timeoutMs,
      retry: 0,
      redirect: 'error',
    });
    // The answer says nothing that is needed, and may never end.
    await response.body?.cancel().catch(() => undefined);
    return { state: 'taken' };
  } catch (error) {
    if (error instanceof HTTPError) {
      const { status, body: rest } = error.response;
      await rest?.cancel().catch(() => undefined);
      return { state: refusedForGood.has(status) ? 'refused' : 'unreachable', problem: `it answered ${status}` };
    }
    if (error instanceof TimeoutError)
      return { state: 'unreachable', problem: `it did not answer within ${timeoutMs} ms` };
    return { state: 'unreachable', problem: problemOf(error) };
  }
};

/** The code of the innermost cause: messages of HTTP clients repeat the address. */
const problemOf = (error: unknown, depth = 0): string => {
  if (!(error instanceof Error)) return 'it could not be reached';
  if (error.cause !== undefined && depth < 8) return problemOf(error.cause, depth + 1);
  if (/redirect/i.test(error.message)) return 'it answered with a redirect, which is not followed';
  return 'code' in error ? `it could not be reached (${String(error.code)})` : 'it could not be reached';
};

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The bearer token of a request; empty when there is none. The scheme is the same in any case (RFC 9110, 11.1). */
export const bearerOf = (headers: IncomingHttpHeaders): string =>
  /^Bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';

/** Compares in constant time, whatever the lengths. */
export const sameSecret = (given: string, expected: string): boolean =>
  timingSafeEqual(digest(given), digest(expected));

/** Milliseconds that a Retry-After asks for, in either form, never above `capMs`; undefined when it says nothing. */
export const retryAfterMs = (header: string | null | undefined, nowMs: number, capMs: number): number | undefined => {
  const text = header?.trim() ?? '';
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  // Date.parse takes far more than an HTTP-date: only the form with a weekday and GMT counts.
  if (!/^\d+$/.test(text) && !/^[A-Z][a-z]+, .* GMT$/.test(text)) return undefined;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), capMs);
};

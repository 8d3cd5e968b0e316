const rfc3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

/**
 * An RFC 3339 time in UTC, as given when it is already, otherwise shifted with its fraction kept. Undefined when it is no
 * such time, or no such day, or lies outside the years 0000 to 9999 once it is in UTC.
 */
export const utcTime = (text: unknown): string | undefined => {
  if (typeof text !== 'string') return undefined;
  const parts = rfc3339.exec(text);
  if (!parts) return undefined;
  const [, date, clock, fraction = '', zone = 'Z'] = parts;
  const atZone = new Date(`${date}T${clock}Z`);
  // A day that its month does not have is another one of the next month; what is no number is none either.
  if (atZone.getUTCDate() !== Number((date as string).slice(8))) return undefined;
  if (zone === 'Z' || zone === 'z') return `${date}T${clock}${fraction}Z`;
  const shifted = new Date(`${date}T${clock}${zone}`);
  if (Number.isNaN(shifted.getTime())) return undefined;
  const utc = `${shifted.toISOString().slice(0, 19)}${fraction}Z`;
  return rfc3339.test(utc) ? utc : undefined;
};

/** Compares two texts by their bytes in UTF-8, as S3 lists keys and as snapshots and listings are sorted. */
export const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

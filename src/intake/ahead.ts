import { gateLimits } from '../plan/gate.ts';

/**
 * A time beyond this one lies further beyond this machine's clock than clocks may be apart: as text, to compare with those
 * of events. It is for telling only, and decides nothing.
 */
export const furthestTime = (nowMs = Date.now()): string => new Date(nowMs + gateLimits.clockOffsetMsMax).toISOString();

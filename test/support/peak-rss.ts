import { readFileSync } from 'node:fs';

/**
 * The most memory that this process had resident, in KiB (proc(5), `VmHWM`). Not `resourceUsage().maxRSS`: across fork and
 * exec Linux carries over what the parent had, here all the tests that run at the time.
 */
export const peakRssKib = (): number => {
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  if (peak === undefined) throw new Error('/proc/self/status does not tell VmHWM');
  return Number(peak);
};

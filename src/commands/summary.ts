import type { Report } from '../report/report.ts';
import { beside } from './columns.ts';

const counted = (counts: Readonly<Record<string, number | undefined>>): string =>
  Object.entries(counts)
    .filter(([, count]) => count)
    .map(([name, count]) => `${count} ${name.replaceAll('_', ' ')}`)
    .join(', ') || 'nothing';

export const bytesText = (bytes: number): string => {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
};

/** A cycle's report for a person, at 80 columns. */
export const summaryOf = (report: Report): string => {
  const lines = [
    `Cycle ${report.cycle}: ${report.status}, ${(report.duration_ms / 1000).toFixed(1)} s, log offset ${report.offset}`,
    `  planned     ${counted(report.planned)}`,
    `  carried out ${counted(report.operations)} (${bytesText(report.bytes)}, ${report.retries} retries)`,
    `  records     ${report.records.files} in the bucket, ${report.records.mirror} in the file manager`,
  ];
  if ((report.operations.delete ?? 0) > 0)
    lines.push(beside('  deleted     ', `'undo ${report.plan}' brings it back, while it is in the trash`));
  if (report.withheld)
    lines.push(
      beside(
        '  withheld    ',
        `${report.withheld.files} deletes of files that were brought back: plan ${report.withheld.plan}`,
      ),
    );
  if (report.unverified)
    lines.push(
      beside(
        '  unverified  ',
        `${report.unverified} files: the bucket states no checksum of them, only their length was checked`,
      ),
    );
  const { done: _, ...others } = report.states;
  if (Object.values(others).some((count) => count)) lines.push(`  not done    ${counted(others)}`);
  if (report.stopped) lines.push(beside('  stopped     ', report.stopped));
  for (const { path, kind, reason } of report.failures.slice(0, 5))
    lines.push(`  ! ${kind} ${JSON.stringify(path)}: ${reason}`);
  for (const { reason } of report.unplaceable.slice(0, 5)) lines.push(`  ! ${reason}`);
  return `${lines.join('\n')}\n`;
};

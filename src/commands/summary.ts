import { harmlessLine } from '../harmless.ts';
import type { Report } from '../report/report.ts';
import { beside, columns, counted, listed } from '../text.ts';

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

/** A cycle's report for a person, in lines of `width` columns. */
export const summaryOf = (report: Report, width = columns): string => {
  const told = (label: string, text: string): string => beside(`  ${label.padEnd(12)}`, text, width);
  const carried = `${listed(report.operations, 'nothing')} (${bytesText(report.bytes)}, ${counted(report.retries, 'retry', 'retries')})`;
  const { files, mirror } = report.records;
  const lines = [
    `Cycle ${report.cycle}: ${report.status}, ${(report.duration_ms / 1000).toFixed(1)} s, log offset ${report.offset}`,
    told('planned', listed(report.planned, 'nothing')),
    told('carried out', carried),
    told('records', `${files} in the bucket, ${mirror} in the file manager`),
  ];
  if (report.plan !== null && (report.planned.delete ?? 0) > 0 && (report.operations.delete ?? 0) > 0)
    lines.push(told('deleted', `'undo ${report.plan}' brings it back, while it is in the trash`));
  if (report.later) {
    const paths = counted(report.later, 'path that differs is', 'paths that differ are');
    lines.push(told('later', `${paths} left for another cycle`));
  }
  if (report.withheld) {
    const deletes = counted(report.withheld.files, 'delete of a file that was', 'deletes of files that were');
    lines.push(told('withheld', `${deletes} brought back: plan ${report.withheld.plan}`));
  }
  if (report.unverified) {
    const unchecked = counted(
      report.unverified,
      'file: the bucket states no checksum of it, only its',
      'files: the bucket states no checksum of them, only their',
    );
    lines.push(told('unverified', `${unchecked} length was checked`));
  }
  const { done: _, ...others } = report.states;
  if (Object.values(others).some((count) => count)) lines.push(told('not done', listed(others, 'nothing')));
  if (report.stopped) lines.push(told('stopped', harmlessLine(report.stopped)));
  for (const { path, kind, reason } of report.failures.slice(0, 5))
    lines.push(`  ! ${harmlessLine(`${kind} ${path}: ${reason}`)}`);
  for (const { reason } of report.unplaceable.slice(0, 5)) lines.push(`  ! ${harmlessLine(reason)}`);
  return `${lines.join('\n')}\n`;
};

import type { Plan } from './operation.ts';

const shown = (path: string, width: number): string => {
  const text = JSON.stringify(path).slice(1, -1);
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
};

/** A plan for a person at 80 columns: what it does, each operation with the reason why it is there. */
export const describePlan = (plan: Plan, held: readonly string[], most = 50): string => {
  if (plan.steps.length === 0 && plan.unplaceable.length === 0)
    return 'Nothing to do: the file manager holds what the bucket holds.\n';
  const lines = [`Plan ${plan.id}: ${plan.steps.length} operation${plan.steps.length === 1 ? '' : 's'}`];
  for (const reason of held) lines.push(`  HELD: ${reason}`);
  plan.steps.slice(0, most).forEach(({ operation, after, why }, index) => {
    const to = operation.to === undefined ? '' : ` -> ${shown(operation.to, 28)}`;
    lines.push(
      `${String(index).padStart(4)}  ${operation.kind.padEnd(18)} ${shown(operation.path, to ? 28 : 56)}${to}`,
    );
    lines.push(
      `      ${why}${after.length > 0 ? ` (after ${after.slice(0, 5).join(', ')}${after.length > 5 ? ', …' : ''})` : ''}`,
    );
  });
  if (plan.steps.length > most) lines.push(`      … and ${plan.steps.length - most} more`);
  for (const { path, reason } of plan.unplaceable) lines.push(`   !  ${shown(path, 60)}`, `      ${reason}`);
  if (held.length > 0) lines.push('', `To carry it out all the same: s3-sync apply ${plan.id}`);
  return `${lines.join('\n')}\n`;
};

import type { Projector } from '../../src/projector/projector.ts';
import { writeSnapshot } from '../../src/snapshot/export.ts';

/** All that a projector has made, as one text: both tables, `dirty`, `vacated`, and the totals. */
export const viewsOf = async (projector: Projector): Promise<string> => {
  let text = '';
  for (const table of ['file', 'mirror'] as const) {
    await projector.database.reading((queries) =>
      writeSnapshot(queries, { table, offset: 0 }, async (part) => {
        text += part;
      }),
    );
  }
  const dirty = await projector.database.all<{ path: string }>('SELECT path FROM dirty');
  const vacated = await projector.database.all('SELECT * FROM vacated');
  return `${text}${dirty.map(({ path }) => path).join('\n')}\n${JSON.stringify([vacated, projector.meta().stats])}`;
};

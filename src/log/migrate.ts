import type { Queries } from '../storage/database.ts';
import { unwrittenIds, writeIds } from './ids.ts';

/** The first logs were begun before quarantine kept formats. */
const addFormat = async (queries: Queries): Promise<void> => {
  const known = await queries.get("SELECT 1 FROM pragma_table_info('quarantine') WHERE name = 'format'");
  if (!known) await queries.exec('ALTER TABLE quarantine ADD COLUMN format TEXT');
};

/**
 * From format 1, where ids stood under a UNIQUE constraint, to format 2. Events, offsets and checksums stay what they are.
 * Runs in the transaction that also makes the tables of format 2 (`createTables`): a crash leaves format 1.
 */
export const migrateFrom1 = async (queries: Queries, createTables: () => Promise<void>): Promise<void> => {
  await queries.exec(`
    DROP TRIGGER event_no_update;
    DROP TRIGGER event_no_delete;
    ALTER TABLE event RENAME TO event_1;`);
  await createTables();
  await queries.exec('INSERT INTO event SELECT * FROM event_1 ORDER BY "offset"; DROP TABLE event_1;');
  for await (const places of unwrittenIds(queries)) await writeIds(queries, places);
  await addFormat(queries);
  await queries.run(`UPDATE meta SET value = '2' WHERE name = 'version'`);
};

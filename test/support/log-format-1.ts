import { openDatabase } from '../../src/storage/database.ts';

/** Turns a log into one of format 1: ids under a UNIQUE constraint, no digests, no formats in quarantine. */
export const toFormat1 = async (path: string): Promise<void> => {
  const database = await openDatabase({ path, mode: 'write' });
  const [table] = await database.all<{ sql: string }>("SELECT sql FROM sqlite_schema WHERE name = 'event'");
  const triggers = await database.all<{ sql: string }>("SELECT sql FROM sqlite_schema WHERE type = 'trigger'");
  await database.exec(`
    DROP TRIGGER event_no_update; DROP TRIGGER event_no_delete; DROP INDEX outcome_id;
    DROP TABLE known_id; ALTER TABLE quarantine DROP COLUMN format;
    ALTER TABLE event RENAME TO later;
    ${table?.sql.replace('id TEXT NOT NULL', 'id TEXT NOT NULL UNIQUE')};
    INSERT INTO event SELECT * FROM later; DROP TABLE later;
    ${triggers.map(({ sql }) => `${sql};`).join('\n')}
    UPDATE meta SET value = '1' WHERE name = 'version';`);
  await database.close();
};

import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isObject } from '../../events/limits.ts';
import { openFile, permissionsOn } from './disk.ts';
import { answerAgain, recall } from './idempotency.ts';
import { relocate, remove, updatePermissions } from './operations.ts';
import { isFolder, look, onDisk } from './paths.ts';
import { Problem } from './problem.ts';
import {
  effectOf,
  type Fields,
  fieldsOf,
  limitOf,
  pathOf,
  permissionsOf,
  queryOf,
  recursiveOf,
  undoOf,
} from './requests.ts';
import { addToInbox, attributeOf, stateLimits } from './state.ts';
import type { Answer, Effect, Store } from './store.ts';
import { undo } from './trash.ts';
import { entriesOf } from './tree.ts';

export const product = { name: 's3-sync-file-manager', version: '1.0.0' } as const;

type Once = (effect: Effect, reply: FastifyReply, work: () => Promise<Answer>) => Promise<unknown>;
type Queue = <T>(key: string, work: () => Promise<T>) => Promise<T>;

/** Runs an effect once per key; a repeat waits for the first attempt and gets its answer. */
const onceWith =
  (store: Store, queue: Queue): Once =>
  (effect, reply, work) =>
    queue(`${effect.endpoint} ${effect.key}`, async () => {
      // What is finished only now may be the first attempt of this very request.
      await store.settled();
      const remembered = await recall(store.db, effect.endpoint, effect.key);
      return remembered === undefined ? work() : answerAgain(reply, remembered, effect.fingerprint);
    });

/** The endpoints that change something and take a JSON body. */
export const addChangeRoutes = (app: FastifyInstance, store: Store, queue: Queue): void => {
  const once = onceWith(store, queue);
  const change = (
    endpoint: string,
    prepare: (fields: Fields) => { asked: unknown; work: (effect: Effect) => Promise<Answer> },
  ) =>
    app.post(`/${endpoint}`, async (request, reply) => {
      const { asked, work } = prepare(fieldsOf(request.body));
      const effect = effectOf(request, endpoint, asked);
      return once(effect, reply, () => work(effect));
    });

  change('updatePermissions', (fields) => {
    const path = pathOf(fields);
    const permissions = permissionsOf(fields);
    const recursive = recursiveOf(fields);
    // A request that does not say it is the request that it was before there was anything to say.
    const asked = recursive ? [path, permissions] : [path, permissions, recursive];
    return { asked, work: (effect) => updatePermissions(store, effect, path, permissions, recursive) };
  });
  change('delete', (fields) => {
    const path = pathOf(fields);
    const recursive = recursiveOf(fields);
    return { asked: [path, recursive], work: (effect) => remove(store, effect, path, recursive) };
  });
  for (const endpoint of ['rename', 'move']) {
    change(endpoint, (fields) => {
      const path = pathOf(fields);
      const to = pathOf(fields, 'to');
      return { asked: [path, to], work: (effect) => relocate(store, effect, path, to) };
    });
  }
  change('undo', (fields) => {
    const asked = undoOf(fields);
    return { asked, work: (effect) => undo(store, effect, asked) };
  });
  change('report', (fields) => {
    const body = JSON.stringify(fields);
    return {
      asked: body,
      work: (effect) =>
        store.commit(effect, { ok: true }, (db) => addToInbox(db, 'report', new Date().toISOString(), [body])),
    };
  });
};

/** Events need no key: a repeat only adds to a list that people look at. With a key they are taken once. */
export const addInboxRoutes = (app: FastifyInstance, store: Store, queue: Queue): void => {
  const once = onceWith(store, queue);
  app.post('/events', async (request, reply) => {
    const events: unknown[] = Array.isArray(request.body) ? request.body : [request.body];
    if (events.length > stateLimits.inboxMax || !events.every(isObject)) {
      throw new Problem('bad-request', `send one JSON object, or a list of at most ${stateLimits.inboxMax} of them`);
    }
    const bodies = events.map((event) => JSON.stringify(event));
    const at = new Date().toISOString();
    const answer: Answer = { ok: true, accepted: bodies.length };
    if (request.headers['idempotency-key'] === undefined) {
      await store.db.transaction((db) => addToInbox(db, 'event', at, bodies));
      return answer;
    }
    const effect = effectOf(request, 'events', bodies);
    return once(effect, reply, () => store.commit(effect, answer, (db) => addToInbox(db, 'event', at, bodies)));
  });
  const list = (kind: string) => async (request: FastifyRequest) => {
    const rows = await store.db.all<{ id: number; at: string; body: string }>(
      'SELECT id, at, body FROM inbox WHERE kind = ? ORDER BY id DESC LIMIT ?',
      [kind, limitOf(queryOf(request))],
    );
    return { [`${kind}s`]: rows.map(({ id, at, body }) => ({ id, at, [kind]: JSON.parse(body) as unknown })) };
  };
  app.get('/events', list('event'));
  app.get('/reports', list('report'));
};

/** The endpoints that only read. */
export const addReadRoutes = (app: FastifyInstance, store: Store): void => {
  const capabilities = [
    'folders',
    'folder-permissions',
    'save-permissions',
    'listing',
    'content',
    ...(store.trashRetentionMs > 0 ? ['trash'] : []),
  ];
  app.get('/', async () => ({ ...product, capabilities }));
  app.get('/health', async () => {
    await store.db.get('SELECT 1');
    const { pending, failing } = (await store.backup?.counts()) ?? { pending: 0, failing: 0 };
    return { ok: true, backup_pending: pending, backup_failing: failing };
  });
  app.get('/files', async (request, reply) => {
    const query = queryOf(request);
    const after = query['after'] === undefined ? '' : pathOf(query, 'after');
    if (request.headers.accept?.includes('application/x-ndjson')) {
      return reply.type('application/x-ndjson').send(Readable.from(lines(store, after), { objectMode: false }));
    }
    const limit = limitOf(query);
    const entries = [];
    for await (const entry of entriesOf(store, after)) {
      if (entries.push(entry) > limit) break;
    }
    const page = entries.slice(0, limit);
    return { entries: page, next: entries.length > limit ? (page.at(-1)?.path ?? null) : null };
  });
  app.get('/content', (request, reply) => sendContent(store, pathOf(queryOf(request)), reply));
};

/** One JSON object a line; the last line tells how many there were, so that a cut answer is never taken for a whole one. */
async function* lines(store: Store, after: string): AsyncGenerator<string> {
  let text = '';
  let count = 0;
  for await (const entry of entriesOf(store, after)) {
    text += `${JSON.stringify(entry)}\n`;
    count += 1;
    if (text.length < 65_536) continue;
    yield text;
    text = '';
  }
  yield `${text}${JSON.stringify({ end: true, count })}\n`;
}

const sendContent = async (store: Store, path: string, reply: FastifyReply): Promise<FastifyReply> => {
  const found = await look(store.root, path, { lenient: true });
  if (found.kind !== 'file' || isFolder(path)) throw new Problem('not-found', `there is no file "${path}"`);
  const { stats, body } = await openFile(onDisk(store.root, path));
  try {
    const recorded = (await attributeOf(store.db, path))?.permissions ?? null;
    const permissions = permissionsOn(stats, recorded, store.keepsModes);
    // Stored bytes are never a page of this origin, whatever they hold.
    reply.headers({
      'content-length': stats.size,
      'content-disposition': 'attachment',
      'x-content-type-options': 'nosniff',
    });
    if (permissions) reply.header('x-permissions', encodeURIComponent(permissions));
    return reply.type('application/octet-stream').send(body);
  } catch (error) {
    body.destroy();
    throw error;
  }
};

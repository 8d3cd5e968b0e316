import type { FastifyInstance } from 'fastify';
import { failpoint } from '../failpoint.ts';
import { declaredBy, type Received, receive } from './content.ts';
import { answerAgain, checkedKey, fingerprintOf, recall } from './idempotency.ts';
import { discard, refuseOtherKind, saveFile, saveFolder } from './operations.ts';
import { isFolder } from './paths.ts';
import { Problem } from './problem.ts';
import { pathOf, permissionsIn, queryOf } from './requests.ts';
import { insistOnSpare } from './space.ts';
import type { Store } from './store.ts';

type Queue = <T>(key: string, work: () => Promise<T>) => Promise<T>;

/**
 * `PUT /saveToDisk?path=`. The body goes to a temporary file as it arrives. A repeat under the same key is read to its end
 * and compared with what was stored: the same bytes get the remembered answer, others are refused.
 */
export const addSaveRoute = (app: FastifyInstance, store: Store, queue: Queue, stallMs: number): void => {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _body, done) => done(null));
    scope.put('/saveToDisk', async (request, reply) => {
      const path = pathOf(queryOf(request));
      const key = checkedKey(request.headers['idempotency-key']);
      const declared = declaredBy(request.headers);
      const permissions = permissionsIn(request.headers);
      // A request that does not say them is the request that it was before they could be said.
      const said = permissions === undefined ? [] : [permissions];
      if (isFolder(path) && declared.length > 0) throw new Problem('bad-request', 'a folder has no content');
      const endpoint = 'saveToDisk';
      const effectFor = ({ size, md5 }: Received) => ({
        endpoint,
        key,
        fingerprint: fingerprintOf(endpoint, path, String(size), md5, ...said),
      });
      return queue(`${endpoint} ${key}`, async () => {
        const remembered = await recall(store.db, endpoint, key);
        if (remembered !== undefined) {
          const received = await receive(request.raw, declared, { file: undefined, stallMs });
          return answerAgain(reply, remembered, effectFor(received).fingerprint);
        }
        await store.exclusive(() => refuseOtherKind(store, path));
        if (isFolder(path)) {
          const received = await receive(request.raw, declared, { file: undefined, stallMs });
          return saveFolder(store, effectFor(received), path, { ...received, permissions });
        }
        await insistOnSpare(store.root, declared.length);
        const file = store.temporaryFile();
        try {
          const received = await receive(request.raw, declared, { file, stallMs });
          // Of those that arrived beside each other each may have found room.
          await insistOnSpare(store.root, 0);
          failpoint('disk.received');
          return await saveFile(store, effectFor(received), path, { ...received, permissions, file });
        } finally {
          await discard(file);
        }
      });
    });
  });
};

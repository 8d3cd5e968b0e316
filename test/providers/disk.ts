import type { ExecutionContext } from 'ava';
import type { OperationKind } from '../../events/event.ts';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import { startFileManager } from '../../src/file-manager/server.ts';
import { verify } from '../../src/verify/verify.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import type { Service } from './support.ts';

/** A reference file manager with a disk of its own, and what a cycle of the service asks of it. */
export const startDisk = async (t: ExecutionContext, service: Service) => {
  const root = await freshFolder();
  const server = await startFileManager({ root, host: '127.0.0.1', port: 0, trashRetentionMs: 0 });
  t.teardown(async () => {
    await server.close();
    await removeFolder(root);
  });
  const fileManager = createFileManagerClient({ baseUrl: server.url });
  return {
    root,
    fileManager,
    /** Runs a cycle; the operations that it carried out, and a failure of the test for one that it did not. */
    cycle: async (): Promise<[kind: OperationKind, path: string, to?: string][]> => {
      const { report, plan } = await service.cycle(fileManager);
      t.deepEqual(report.failures, []);
      return plan.steps.map(({ operation: { kind, path, to } }) =>
        to === undefined ? [kind, path] : [kind, path, to],
      );
    },
    /** Bucket, file table and disk hold the same, by the bytes. */
    same: async (): Promise<void> => {
      const { bucket, workspace } = service;
      const different: string[] = [];
      for await (const line of verify({ bucket, database: workspace.projector.database, fileManager, checksum: true }))
        if (line.sign !== '=' || line.projection !== '=') different.push(`${line.sign}${line.projection} ${line.path}`);
      t.deepEqual(different, []);
    },
  };
};

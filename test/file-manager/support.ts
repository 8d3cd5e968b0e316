import { randomUUID } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';
import { type ClientOptions, createFileManagerClient, type FileManagerClient } from '../../src/file-manager/client.ts';
import type { Content, FileManager } from '../../src/file-manager/file-manager.ts';
import { type FileManagerOptions, type RunningFileManager, startFileManager } from '../../src/file-manager/server.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

export type Started = {
  readonly root: string;
  readonly server: RunningFileManager;
  readonly client: FileManagerClient;
};

export const newKey = (): { idempotencyKey: string } => ({ idempotencyKey: randomUUID() });

export const contentOf = (value: string | Buffer): Content => {
  const bytes = Buffer.from(value);
  return { body: Readable.from([bytes], { objectMode: false }), length: bytes.length };
};

/** A real file manager on a fresh root, with its client; both end with the test. */
export const started = async (
  t: ExecutionContext,
  options: Partial<FileManagerOptions> = {},
  limits: Partial<ClientOptions> = {},
): Promise<Started> => {
  const root = options.root ?? (await realpath(await freshFolder()));
  const server = await startFileManager({ host: '127.0.0.1', port: 0, ...options, root });
  t.teardown(async () => {
    await server.close().catch(() => undefined);
    await removeFolder(root);
  });
  return { root, server, client: createFileManagerClient({ baseUrl: server.url, token: options.token, ...limits }) };
};

export const save = (client: FileManager, path: string, value: string): Promise<void> =>
  client.saveToDisk(path, contentOf(value), newKey());

/** What the file manager holds, as `path` or `path (permissions)` with the content. */
export const holdings = async (client: FileManager): Promise<Record<string, string>> => {
  const found: Record<string, string> = {};
  for await (const { path, permissions } of client.list()) {
    const value = path.endsWith('/') ? '' : await text(await client.read(path));
    found[path] = permissions === null ? value : `${value} (${permissions})`;
  }
  return found;
};

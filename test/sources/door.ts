import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

/**
 * An address that stays while receivers come and go behind it, each on a port that only it knows: a port that was chosen
 * beforehand may be taken by then.
 */
export const startDoor = async () => {
  const folder = await freshFolder();
  const portFile = join(folder, 'port');
  const listening = (): number | undefined => {
    try {
      return Number(readFileSync(portFile, 'utf8')) || undefined;
    } catch {
      return undefined;
    }
  };
  const proxy = await startTcpProxy(listening);
  return {
    ...proxy,
    portFile,
    stop: async () => {
      await proxy.stop();
      await removeFolder(folder);
    },
  };
};

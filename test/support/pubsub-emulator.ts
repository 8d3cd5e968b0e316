import { startServer } from './child.ts';
import { pubsubCommand } from './installed.ts';

export type PubsubEmulator = {
  readonly url: string;
  /** The value of PUBSUB_EMULATOR_HOST. */
  readonly host: string;
  readonly projectId: string;
  readonly pid: number;
  stop(): Promise<void>;
};

/** Google's Pub/Sub emulator on a free port. It keeps everything in memory. */
export const startPubsubEmulator = async ({ heapGb = 1 } = {}): Promise<PubsubEmulator> => {
  const emulator = pubsubCommand();
  if (emulator === undefined) {
    throw new Error('The Pub/Sub emulator is not installed: install the Google Cloud SDK with it, and Java');
  }
  const { pid, port, stop } = await startServer(({ port }) => ({
    name: 'Pub/Sub emulator',
    command: emulator.java,
    args: ['-XX:+UseSerialGC', `-Xmx${heapGb}g`, '-jar', emulator.jar, '--host=127.0.0.1', `--port=${port}`],
    readyUrl: `http://127.0.0.1:${port}/`,
  }));
  return { url: `http://127.0.0.1:${port}`, host: `127.0.0.1:${port}`, projectId: 'demo', pid, stop };
};

import { once } from 'node:events';
import { connect } from 'node:net';
import { messageOf, RetryableError } from '../errors.ts';

const connectMs = 5_000;

/**
 * Resolves when something listens at `host:port`. The Pub/Sub client tries an address that does not answer again and
 * again without a word, so an emulator is looked for first. Throws RetryableError that names the address.
 */
export const insistReachable = async (address: string, setting: string): Promise<void> => {
  const { hostname, port } = new URL(`http://${address}`);
  const socket = connect({ host: hostname, port: Number(port || 80) });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(connectMs) });
  } catch (error) {
    throw new RetryableError(`nothing answers at ${address} (${messageOf(error)}): check ${setting}`, { cause: error });
  } finally {
    socket.destroy();
  }
};

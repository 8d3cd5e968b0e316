import { PubSub } from '@google-cloud/pubsub';
import { ConfigError, messageOf } from '../errors.ts';

export type PubSubConnection = {
  readonly project: string;
  /** `host:port` of an emulator; the client falls back to Google's own service without it. */
  readonly emulatorHost?: string | undefined;
};

/** An emulator knows no credentials: with the universe given, the client asks no metadata server for them. */
export const connectPubSub = ({ project, emulatorHost }: PubSubConnection): PubSub =>
  new PubSub({
    projectId: project,
    ...(emulatorHost && {
      apiEndpoint: emulatorHost,
      emulatorMode: true,
      clientOptions: { universeDomain: 'googleapis.com' },
    }),
  });

/**
 * Throws ConfigError where this machine has no credentials for Google, or none that can be read; an emulator needs none.
 * The client itself would find that out while it opens its stream, and write a stack to standard error.
 */
export const insistOnCredentials = async (connection: PubSubConnection): Promise<void> => {
  if (connection.emulatorHost !== undefined) return;
  const client = connectPubSub(connection);
  try {
    await client.auth.getClient();
  } catch (error) {
    // What is said of a text that is no JSON quotes it, and a key is secret.
    const reason = error instanceof SyntaxError ? 'the key file is no JSON' : messageOf(error);
    throw new ConfigError(
      `there are no credentials for Pub/Sub: ${reason}\nset GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account, run where one is attached, or set PUBSUB_EMULATOR_HOST`,
      { cause: error },
    );
  } finally {
    await client.close();
  }
};

/** The gRPC status of an error. */
export const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code;

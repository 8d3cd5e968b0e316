import { PubSub } from '@google-cloud/pubsub';

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

/** The gRPC status of an error. */
export const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code;

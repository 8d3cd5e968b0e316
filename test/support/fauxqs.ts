import { buildApp } from 'fauxqs';
import { secrets } from './canary.ts';

export type Fauxqs = {
  /** S3 and SQS at one address; path-style buckets. */
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  stop(): Promise<void>;
};

/**
 * S3 and SQS in this process, everything in memory. Built from the app and not from `startFauxqs`, which listens on
 * every address of the machine.
 */
export const startFauxqsServer = async (options: { readonly port?: number } = {}): Promise<Fauxqs> => {
  const app = buildApp({ logger: false });
  const url = await app.listen({ port: options.port ?? 0, host: '127.0.0.1' });
  return {
    url,
    accessKey: 'test',
    secretKey: secrets.CUSTOMER_S3_SECRET_KEY,
    region: 'us-east-1',
    stop: () => app.close(),
  };
};

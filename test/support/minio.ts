import { secrets } from './canary.ts';
import { startServer } from './child.ts';
import { minioBinary } from './installed.ts';

export type MinioOptions = {
  /** Every object is encrypted with a key of KMS: its etag is no MD5, and looks like one. */
  readonly encrypts?: true;
  /** Where bucket notifications to `arn:minio:sqs::S:webhook` go. `authToken` is the whole Authorization header. */
  readonly webhook?: { readonly endpoint: string; readonly authToken?: string };
};

export type Minio = {
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  readonly pid: number;
  stop(): Promise<void>;
};

export const minioWebhookArn = 'arn:minio:sqs::S:webhook';

const webhookEnv = (webhook: MinioOptions['webhook']): Record<string, string> =>
  webhook === undefined
    ? {}
    : {
        MINIO_NOTIFY_WEBHOOK_ENABLE_S: 'on',
        MINIO_NOTIFY_WEBHOOK_ENDPOINT_S: webhook.endpoint,
        ...(webhook.authToken === undefined ? {} : { MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_S: webhook.authToken }),
      };

/** A real MinIO on a free port. It keeps its data until `stop`. */
export const startMinio = async (options: MinioOptions = {}): Promise<Minio> => {
  const binary = minioBinary();
  if (binary === undefined) throw new Error('MinIO is not installed: run scripts/install-tools');
  const accessKey = 'tests-access-key';
  const secretKey = secrets.CUSTOMER_S3_SECRET_KEY;
  const { pid, port, stop } = await startServer(({ port, folder }) => ({
    name: 'MinIO',
    command: binary,
    args: ['server', '--quiet', '--address', `127.0.0.1:${port}`, '--console-address', '127.0.0.1:0', folder],
    env: {
      MINIO_ROOT_USER: accessKey,
      MINIO_ROOT_PASSWORD: secretKey,
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
      ...webhookEnv(options.webhook),
      ...(options.encrypts && {
        MINIO_KMS_SECRET_KEY: `tests:${Buffer.alloc(32).toString('base64')}`,
        MINIO_KMS_AUTO_ENCRYPTION: 'on',
      }),
    },
    readyUrl: `http://127.0.0.1:${port}/minio/health/live`,
  }));
  return { url: `http://127.0.0.1:${port}`, accessKey, secretKey, region: 'us-east-1', pid, stop };
};

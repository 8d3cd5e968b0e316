import { startServer } from './child.ts';
import { localstackPython } from './installed.ts';

export type Localstack = {
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  /** The interpreter of its virtual environment, in which boto3 is there too. */
  readonly python: string;
  readonly pid: number;
  stop(): Promise<void>;
};

/** LocalStack with S3 and SQS on a free port. */
export const startLocalstack = async (): Promise<Localstack> => {
  const python = localstackPython();
  if (python === undefined) throw new Error('LocalStack is not installed: run scripts/install-tools');
  const { pid, port, stop } = await startServer(({ port, folder }) => ({
    name: 'LocalStack',
    command: python,
    args: ['-m', 'localstack.runtime.main'],
    env: {
      SERVICES: 's3,sqs',
      EAGER_SERVICE_LOADING: '1',
      GATEWAY_LISTEN: `127.0.0.1:${port}`,
      LOCALSTACK_HOST: `127.0.0.1:${port}`,
      FILESYSTEM_ROOT: folder,
      DISABLE_EVENTS: '1',
      SKIP_SSL_CERT_DOWNLOAD: '1',
      DNS_ADDRESS: '0',
      SQS_ENDPOINT_STRATEGY: 'path',
    },
    readyUrl: `http://127.0.0.1:${port}/_localstack/health`,
  }));
  return {
    url: `http://127.0.0.1:${port}`,
    accessKey: 'test',
    secretKey: 'test',
    region: 'us-east-1',
    python,
    pid,
    stop,
  };
};

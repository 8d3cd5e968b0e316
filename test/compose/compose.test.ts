import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { loadConfig } from '../../src/config/config.ts';
import { type Setting, settings } from '../../src/config/settings.ts';
import { minioWebhookArn } from '../support/minio.ts';
import { environmentOf, readStack, root, serviceOf } from './stack.ts';

const stack = readStack();
const names = new Set((settings as readonly Setting[]).map((setting) => setting.env));
/** Services that run this project's own code. */
const ours = ['sync-service', 'mock-api', 'load-samples'];

test('the stack has the services and host ports that the documents name', (t) => {
  const ports = Object.fromEntries(
    Object.entries(stack.services).map(([name, service]) => [name, (service.ports ?? []).map((port) => String(port))]),
  );
  t.deepEqual(ports, {
    'sync-service': [],
    'mock-api': ['127.0.0.1:8001:8001'],
    'load-samples': [],
    'minio-customer': ['127.0.0.1:9001:9000', '127.0.0.1:9011:9001'],
    'minio-target': ['127.0.0.1:9002:9000', '127.0.0.1:9012:9001'],
    'pubsub-emulator': ['127.0.0.1:8085:8085'],
    localstack: ['127.0.0.1:4566:4566'],
  });
});

test('every variable of our services is one that the code reads', (t) => {
  for (const name of ours) {
    const own = Object.keys(environmentOf(serviceOf(stack, name))).filter((env) => env !== 'NOTIFICATION_ARN');
    t.deepEqual(
      own.filter((env) => !names.has(env)),
      [],
      name,
    );
  }
});

test('the configuration accepts the environment of each of our services', (t) => {
  for (const name of ours) t.notThrows(() => loadConfig(environmentOf(serviceOf(stack, name))), name);
  const config = loadConfig(environmentOf(serviceOf(stack, 'sync-service')));
  t.is(config.paths.data, '/data');
});

test('every image is pinned, and MinIO and LocalStack to their last usable release', (t) => {
  for (const [name, service] of Object.entries(stack.services)) {
    if (!service.build) t.regex(service.image, /:[^:]*\d+\.?\d+[^:]*$/, name);
    t.notRegex(service.image, /:latest$/, name);
  }
  t.is(serviceOf(stack, 'minio-customer').image, 'minio/minio:RELEASE.2025-09-07T16-13-09Z');
  t.is(serviceOf(stack, 'minio-target').image, 'minio/minio:RELEASE.2025-09-07T16-13-09Z');
  t.is(serviceOf(stack, 'localstack').image, 'localstack/localstack:4.14.0');
});

test('every service that keeps running has a health check, and what is waited for exists', (t) => {
  for (const [name, service] of Object.entries(stack.services)) {
    if (name !== 'load-samples') t.true((service.healthcheck?.test?.length ?? 0) > 1, name);
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      t.is(condition, other === 'load-samples' ? 'service_completed_successfully' : 'service_healthy', name);
      t.truthy(stack.services[other], `${name} waits for ${other}`);
    }
  }
});

test('every volume is declared, and every mounted folder is in the repository', (t) => {
  for (const [name, service] of Object.entries(stack.services)) {
    for (const volume of service.volumes ?? []) {
      const source = volume.split(':')[0] as string;
      if (source.startsWith('.')) t.true(existsSync(join(root, source)), `${name}: ${source}`);
      else t.true(source in stack.volumes, `${name}: ${source}`);
    }
  }
});

test('addresses and credentials of the parts agree with each other', (t) => {
  const sync = environmentOf(serviceOf(stack, 'sync-service'));
  const api = environmentOf(serviceOf(stack, 'mock-api'));
  const load = environmentOf(serviceOf(stack, 'load-samples'));
  const customer = environmentOf(serviceOf(stack, 'minio-customer'));
  const target = environmentOf(serviceOf(stack, 'minio-target'));
  t.is(sync['CUSTOMER_S3_ACCESS_KEY'], customer['MINIO_ROOT_USER']);
  t.is(sync['CUSTOMER_S3_SECRET_KEY'], customer['MINIO_ROOT_PASSWORD']);
  t.is(api['BACKUP_S3_ACCESS_KEY'], target['MINIO_ROOT_USER']);
  t.is(api['BACKUP_S3_SECRET_KEY'], target['MINIO_ROOT_PASSWORD']);
  t.is(sync['FILE_MANAGER_TOKEN'], api['FILE_MANAGER_TOKEN']);
  t.is(customer['MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_S'], `Bearer ${sync['HTTP_TOKEN']}`);
  t.is(new URL(customer['MINIO_NOTIFY_WEBHOOK_ENDPOINT_S'] as string).port, sync['HTTP_PORT'] ?? 'none');
  t.is(load['NOTIFICATION_ARN'], minioWebhookArn);
  for (const env of [sync, api, load]) {
    for (const [name, value] of Object.entries(env)) {
      if (/^https?:/.test(value)) t.truthy(stack.services[new URL(value).hostname], name);
    }
  }
  const port = serviceOf(stack, 'mock-api').command?.at(-1) ?? 'none';
  t.is(new URL(sync['FILE_MANAGER_API_URL'] as string).port, port);
  t.is(sync['SQS_QUEUE_URL']?.split('/').at(-1), environmentOf(serviceOf(stack, 'localstack'))['SQS_QUEUE']);
});

test('our services run commands that exist, with flags that they know', (t) => {
  for (const name of ['sync-service', 'mock-api']) {
    const [command = '', ...rest] = serviceOf(stack, name).command ?? [];
    const help = execFileSync(process.execPath, [join(root, 'src', 'cli.ts'), command, '--help'], { encoding: 'utf8' });
    t.regex(help, new RegExp(`Usage: s3-sync ${command} `));
    for (const flag of rest.filter((part) => part.startsWith('--'))) t.true(help.includes(`  ${flag} `), flag);
  }
});

import { execFileSync } from 'node:child_process';
import { accessSync, constants, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
const tools = join(root, '.tools');

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const onPath = (name: string): string[] =>
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name));

const first = (candidates: readonly string[]): string | undefined => candidates.find(isExecutable);

export const minioBinary = (): string | undefined =>
  first([join(tools, 'bin', 'minio'), ...onPath('minio'), join(homedir(), 'go', 'bin', 'minio')]);

/** The Python of the virtual environment that holds LocalStack. */
export const localstackPython = (): string | undefined => first([join(tools, 'localstack', 'bin', 'python')]);

export const chromiumBinary = (): string | undefined =>
  first([...onPath('chromium'), ...onPath('chromium-browser'), ...onPath('google-chrome')]);

const sdkRoot = (gcloud: string): string | undefined => {
  try {
    return execFileSync(gcloud, ['info', '--format=value(installation.sdk_root)'], {
      encoding: 'utf8',
      timeout: 60_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
};

const emulatorJar = (sdk: string): string | undefined => {
  const folder = join(sdk, 'platform', 'pubsub-emulator', 'lib');
  try {
    const jar = readdirSync(folder).find((name) => /^cloud-pubsub-emulator-.*-all\.jar$/.test(name));
    return jar === undefined ? undefined : join(folder, jar);
  } catch {
    return undefined;
  }
};

export type PubsubCommand = { readonly java: string; readonly jar: string };

/** Where Google's SDK usually lies; asking `gcloud` itself takes seconds, so it comes last. */
const usualSdks = (): string[] => [
  ...(process.env['CLOUDSDK_ROOT_DIR'] === undefined ? [] : [process.env['CLOUDSDK_ROOT_DIR']]),
  '/usr/lib/google-cloud-sdk',
  join(homedir(), 'google-cloud-sdk'),
];

/** The emulator's own jar: started without `gcloud`, whose child it would otherwise be, it is one process. */
export const pubsubCommand = (): PubsubCommand | undefined => {
  const java = first(onPath('java'));
  if (java === undefined) return undefined;
  for (const sdk of usualSdks()) {
    const jar = emulatorJar(sdk);
    if (jar !== undefined) return { java, jar };
  }
  const gcloud = first(onPath('gcloud'));
  const sdk = gcloud === undefined ? undefined : sdkRoot(gcloud);
  const jar = sdk === undefined ? undefined : emulatorJar(sdk);
  return jar === undefined ? undefined : { java, jar };
};

export type ServerName = 'minio' | 'pubsub' | 'localstack' | 'chromium' | 'fauxqs';

const found: Readonly<Record<ServerName, () => unknown>> = {
  minio: minioBinary,
  pubsub: pubsubCommand,
  localstack: localstackPython,
  chromium: chromiumBinary,
  fauxqs: () => 'a dependency',
};

export const available = (name: ServerName): boolean => found[name]() !== undefined;

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export const root = join(import.meta.dirname, '..', '..');

export type Service = {
  readonly image: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
};

export type Stack = {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};

export const readText = (path: string): string => readFileSync(join(root, path), 'utf8');

export const readStack = (): Stack => parse(readText('docker-compose.yml'), { merge: true }) as Stack;

/** A service by name; throws when it is not there. */
export const serviceOf = (stack: Stack, name: string): Service => {
  const service = stack.services[name];
  if (service === undefined) throw new Error(`docker-compose.yml has no service ${name}`);
  return service;
};

/** A value as compose sees it when the user's environment is empty: `${NAME:-default}` becomes the default. */
export const withDefaults = (value: string): string => String(value).replace(/\$\{\w+:-([^}]*)\}/g, '$1');

export const environmentOf = (service: Service): Record<string, string> =>
  Object.fromEntries(Object.entries(service.environment ?? {}).map(([name, value]) => [name, withDefaults(value)]));

import { realpath } from 'node:fs/promises';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { bearerOf, sameSecret } from '../bearer.ts';
import { ConfigError, messageOf } from '../errors.ts';
import { makeFolder } from '../make-folder.ts';
import type { BackupStorage } from './backup.ts';
import type { BackupWaits } from './backup-worker.ts';
import { answerEarly } from './early-answer.ts';
import { createKeyedQueue, forgetOld } from './idempotency.ts';
import { recover } from './intents.ts';
import { type Log, silentLog } from './log.ts';
import { answerNoRequest } from './no-request.ts';
import { asProblem, Problem, problemBody } from './problem.ts';
import { addChangeRoutes, addInboxRoutes, addReadRoutes } from './routes.ts';
import { addSaveRoute } from './save-route.ts';
import { openStore, type Store } from './store.ts';
import { sweepTrash } from './trash.ts';

/** Sizes in bytes, times in milliseconds. */
const defaults = {
  trashRetentionMs: 7 * 24 * 3_600_000,
  answerRetentionMs: 30 * 24 * 3_600_000,
  headerBytesMax: 32_768,
  jsonBytesMax: 8_388_608,
  headersTimeoutMs: 20_000,
  /** Longest pause between two pieces of a body. */
  stallMs: 30_000,
  /** How long what is left of a body is thrown away after its answer. */
  lingerMs: 30_000,
  /** A JSON body must have arrived by then. */
  jsonBodyTimeoutMs: 30_000,
  connectionsMax: 512,
  sweepEveryMs: 600_000,
} as const;

export type FileManagerOptions = {
  /** The folder to keep the files in; created when it is missing. */
  readonly root: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** When given, every request but `/health` must carry it as a bearer token. */
  readonly token?: string | undefined;
  /** How long deleted files can be brought back; 0 keeps none. */
  readonly trashRetentionMs?: number;
  readonly backup?: BackupStorage;
  readonly backupWaits?: Partial<BackupWaits>;
  readonly logger?: Log;
  readonly stallMs?: number;
  readonly lingerMs?: number;
  readonly jsonBodyTimeoutMs?: number;
};

export type RunningFileManager = {
  readonly url: string;
  /** `METHOD /path` of every endpoint, as openapi.yaml lists them. */
  readonly endpoints: readonly string[];
  /** Paths of which the backup storage has not taken the last change yet. */
  backupPending(): Promise<number>;
  /** Ends open connections, lets the change that runs finish, and closes the state. */
  close(): Promise<void>;
};

const listen = async (app: FastifyInstance, { host, port }: FileManagerOptions): Promise<void> => {
  await app.listen({ host, port }).catch((error: unknown) => {
    const text = `cannot listen on ${host}:${port}: ${messageOf(error)}; set --host and --port to a free address`;
    throw new ConfigError(text, { cause: error });
  });
};

/**
 * Starts the reference file manager. It holds its root alone: RetryableError when another process has it. ConfigError when
 * its address is not free.
 */
export const startFileManager = async (options: FileManagerOptions): Promise<RunningFileManager> => {
  const { trashRetentionMs = defaults.trashRetentionMs, logger: log = silentLog } = options;
  await makeFolder(options.root);
  const { backup, backupWaits } = options;
  const store = await openStore({ root: await realpath(options.root), log, trashRetentionMs, backup, backupWaits });
  const { app, endpoints } = createApp(options, store, log);
  const closing = new AbortController();
  let sweeping: Promise<unknown> = Promise.resolve();
  const sweep = (): void => {
    sweeping = sweeping
      .then(() => sweepTrash(store, Date.now(), closing.signal))
      .then(() => forgetOld(store.db, Date.now(), defaults.answerRetentionMs))
      .catch((error: unknown) => log.error({ error: messageOf(error) }, 'emptying the trash failed'));
  };
  try {
    await recover(store);
    await store.backup?.catchUp();
    await listen(app, options);
  } catch (error) {
    await app.close();
    await store.db.close();
    throw error;
  }
  store.backup?.start();
  sweep();
  const timer = setInterval(sweep, defaults.sweepEveryMs).unref();
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    endpoints,
    backupPending: async () => (await store.backup?.counts())?.pending ?? 0,
    close: async () => {
      clearInterval(timer);
      closing.abort();
      await app.close();
      await sweeping;
      // What could not be settled is tried again at the next start.
      await store.exclusive(async () => undefined).catch(() => undefined);
      await store.backup?.stop();
      await store.db.close();
    },
  };
};

const createApp = (
  options: FileManagerOptions,
  store: Store,
  log: Log,
): { app: FastifyInstance; endpoints: string[] } => {
  const app = fastify({
    logger: false,
    bodyLimit: defaults.jsonBytesMax,
    // None for a whole request: each kind of body has its own limits.
    requestTimeout: 0,
    forceCloseConnections: true,
    http: { maxHeaderSize: defaults.headerBytesMax, headersTimeout: defaults.headersTimeoutMs },
    routerOptions: { caseSensitive: true },
    exposeHeadRoutes: false,
    onProtoPoisoning: 'error',
    frameworkErrors: (error, _request, reply) => {
      sendProblem(reply as unknown as FastifyReply, asProblem(error));
    },
    clientErrorHandler: answerNoRequest,
  });
  app.removeContentTypeParser('text/plain');
  const endpoints: string[] = [];
  app.addHook('onRoute', (route) => {
    endpoints.push(...[route.method].flat().map((method) => `${method} ${route.url}`));
  });
  app.server.maxConnections = defaults.connectionsMax;
  if (options.token !== undefined) requireToken(app, options.token);
  boundBodies(app, options.jsonBodyTimeoutMs ?? defaults.jsonBodyTimeoutMs);
  answerEarly(app, options.lingerMs ?? defaults.lingerMs);
  app.setErrorHandler(async (error, request, reply) => {
    const problem = asProblem(error);
    if (problem.status >= 500) log.error({ error: messageOf(error), url: request.url }, 'request failed');
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler(({ method, url }) => {
    const [path = ''] = url.split('?');
    const allowed = endpoints.filter((each) => each.endsWith(` ${path}`)).map((each) => each.split(' ')[0]);
    if (allowed.length > 0)
      throw new Problem('method-not-allowed', `${path} takes ${allowed.join(' and ')}, not ${method}`, {
        allow: allowed.join(', '),
      });
    throw new Problem('not-found', 'there is no such endpoint: openapi.yaml lists them');
  });
  const queue = createKeyedQueue();
  addSaveRoute(app, store, queue, options.stallMs ?? defaults.stallMs);
  addChangeRoutes(app, store, queue);
  addInboxRoutes(app, store, queue);
  addReadRoutes(app, store);
  return { app, endpoints };
};

const sendProblem = (reply: FastifyReply, problem: Problem): FastifyReply =>
  reply
    .code(problem.status)
    .headers({ ...problem.headers })
    .type('application/problem+json')
    .send(problemBody(problem));

const requireToken = (app: FastifyInstance, token: string): void => {
  app.addHook('onRequest', async (request) => {
    if (request.url === '/health') return;
    if (sameSecret(bearerOf(request.headers), token)) return;
    throw new Problem('unauthorized', 'send "Authorization: Bearer <token>" with the token of this file manager', {
      'www-authenticate': 'Bearer',
    });
  });
};

/** A body that trickles in is cut off, wherever it is sent: uploads alone have their own limit, per pause. */
const boundBodies = (app: FastifyInstance, timeoutMs: number): void => {
  app.addHook('onRequest', async ({ method, raw, routeOptions }) => {
    if (['GET', 'HEAD'].includes(method) || routeOptions.url === '/saveToDisk') return;
    const timer = setTimeout(() => raw.destroy(), timeoutMs);
    const clear = (): void => clearTimeout(timer);
    raw.once('end', clear).once('close', clear);
  });
};

/**
 * Every setting, as data: `.env.example`, the README's table, the help texts and the checks are all made from this list.
 */
export type Setting = {
  readonly env: string;
  readonly meaning: string;
  /** Text of the default; empty when there is none. */
  readonly fallback: string;
  readonly choices?: readonly string[];
  /** 0 is allowed, and means none. */
  readonly zero?: true;
  /** Never printed. */
  readonly secret?: true;
} & (
  | {
      readonly kind: 'text' | 'url' | 'urls' | 'host' | 'acl' | 'port' | 'share' | 'flag' | 'choice' | 'path';
      readonly most?: never;
      readonly least?: never;
    }
  | { readonly kind: 'count'; readonly most?: number; readonly least?: number }
  /** A timer counts 2,147,483 seconds at most: one that is set to more ends at once. */
  | { readonly kind: 'seconds' | 'milliseconds'; readonly most: number; readonly least?: never }
);

/** The unit of a setting's number and how far it may go, as the documents show it behind the meaning. */
export const unitOf = ({ kind, least, most }: Setting): string => {
  const unit = kind === 'seconds' || kind === 'milliseconds' ? kind : undefined;
  const parts = [unit, least && `at least ${least}`, most && `at most ${most}`].filter(Boolean);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
};

export const settings = [
  {
    env: 'CUSTOMER_S3_ENDPOINT',
    kind: 'url',
    fallback: '',
    meaning: "S3 endpoint of the customer's bucket; empty for AWS itself",
  },
  {
    env: 'CUSTOMER_S3_ACCESS_KEY',
    kind: 'text',
    fallback: '',
    meaning:
      "access key that may list and read the bucket; with neither it nor its secret key, the environment's credentials (role, profile)",
  },
  { env: 'CUSTOMER_S3_SECRET_KEY', kind: 'text', fallback: '', meaning: 'secret key that belongs to it', secret: true },
  { env: 'CUSTOMER_S3_BUCKET', kind: 'text', fallback: '', meaning: 'name of the bucket' },
  { env: 'CUSTOMER_S3_REGION', kind: 'text', fallback: 'us-east-1', meaning: 'region that requests are signed for' },
  {
    env: 'CUSTOMER_S3_METADATA',
    kind: 'flag',
    fallback: 'true',
    meaning:
      'ask for permissions in the metadata of objects (a listing, with one HEAD each); false when the bucket keeps none',
  },
  { env: 'FILE_MANAGER_API_URL', kind: 'url', fallback: '', meaning: 'base address of the file manager' },
  { env: 'FILE_MANAGER_TOKEN', kind: 'text', fallback: '', meaning: 'bearer token for the file manager', secret: true },
  {
    env: 'MOCK_API_URL',
    kind: 'url',
    fallback: '',
    meaning: 'reference API; its /report is one more endpoint for reports',
  },
  { env: 'REPORT_URLS', kind: 'urls', fallback: '', meaning: 'further endpoints for reports, separated by commas' },
  { env: 'DATA_DIR', kind: 'path', fallback: 'data', meaning: 'folder of everything the service keeps' },
  {
    env: 'EVENT_LOG_PATH',
    kind: 'path',
    fallback: '',
    meaning: 'event log, the one file to back up; default DATA_DIR/events.db',
  },
  {
    env: 'DATABASE_PATH',
    kind: 'path',
    fallback: '',
    meaning: 'projections, rebuilt from the log when missing; default DATA_DIR/projections.db',
  },
  {
    env: 'SYNC_INTERVAL',
    kind: 'seconds',
    fallback: '300',
    most: 604_800,
    meaning: 'time between two cycles of the daemon',
  },
  { env: 'SYNC_CONCURRENCY', kind: 'count', fallback: '8', meaning: 'operations under way at once' },
  {
    env: 'SYNC_REQUESTS_PER_SECOND',
    kind: 'count',
    fallback: '',
    meaning: 'most operations that are sent to the file manager in a second; empty for no limit',
  },
  {
    env: 'SYNC_BYTES_PER_SECOND',
    kind: 'count',
    fallback: '',
    least: 16_384,
    meaning: 'most bytes that are sent to the file manager in a second; empty for no limit',
  },
  {
    env: 'UNREADABLE_RETRY',
    kind: 'seconds',
    fallback: '900',
    most: 86_400,
    meaning: 'first wait before an object that could not be read is tried again; doubles each time, up to a day',
  },
  {
    env: 'DEFAULT_PERMISSIONS',
    kind: 'text',
    fallback: '',
    meaning: 'permissions of files for which nobody states any, such as 0644; empty leaves them to the file manager',
  },
  {
    env: 'ACL_PERMISSIONS',
    kind: 'acl',
    fallback: '',
    meaning:
      'permissions for each canned ACL, such as public-read=0644,private=0600; set, it counts for every object that keeps none in its metadata (one request each); empty, only ACL changes count, by the default mapping',
  },
  {
    env: 'GATE_DELETE_MAX',
    kind: 'count',
    fallback: '1000',
    zero: true,
    meaning: 'a cycle that would delete more files than this is held; with 0 every one that deletes a file',
  },
  {
    env: 'GATE_DELETE_SHARE_MAX',
    kind: 'share',
    fallback: '0.25',
    meaning: 'a cycle that would delete a larger share of all files is held',
  },
  {
    env: 'SOURCE',
    kind: 'choice',
    fallback: '',
    choices: ['pubsub', 'sqs', 'http'],
    meaning: 'where events come from; default: the first of the three that is configured',
  },
  { env: 'PUBSUB_PROJECT', kind: 'text', fallback: '', meaning: 'Google Cloud project' },
  { env: 'PUBSUB_SUBSCRIPTION', kind: 'text', fallback: '', meaning: 'subscription to pull from' },
  {
    env: 'PUBSUB_TOPIC',
    kind: 'text',
    fallback: '',
    meaning: 'topic that `publish` publishes to, unless `SOURCE` is `sqs`',
  },
  {
    env: 'PUBSUB_EMULATOR_HOST',
    kind: 'host',
    fallback: '',
    meaning: 'host:port of the Pub/Sub emulator, in place of Google',
  },
  {
    env: 'PUBSUB_MESSAGES_MAX',
    kind: 'count',
    fallback: '10000',
    meaning: 'messages that Pub/Sub hands out before they are acked; fewer than 1000 make it slow',
  },
  { env: 'SQS_QUEUE_URL', kind: 'url', fallback: '', meaning: 'queue to receive from' },
  { env: 'SQS_ENDPOINT', kind: 'url', fallback: '', meaning: 'SQS endpoint; empty for AWS itself' },
  {
    env: 'SQS_VISIBILITY',
    kind: 'seconds',
    fallback: '60',
    most: 43_200,
    meaning: 'how long SQS hides a message from others while it is in hand; renewed while a batch is slow',
  },
  {
    env: 'LEASE_MAX',
    kind: 'seconds',
    fallback: '1800',
    most: 41_400,
    meaning:
      'how long SQS and Pub/Sub (which allows 3600) wait for a message in hand; renewed until then while a batch is slow',
  },
  {
    env: 'HTTP_PORT',
    kind: 'port',
    fallback: '',
    meaning: 'port of the HTTP receiver (Pub/Sub push, MinIO and Ceph webhooks)',
  },
  { env: 'HTTP_HOST', kind: 'text', fallback: '127.0.0.1', meaning: 'address that the HTTP receiver listens on' },
  {
    env: 'HTTP_TOKEN',
    kind: 'text',
    fallback: '',
    meaning: 'bearer token that webhooks must carry; without it webhooks are not taken',
    secret: true,
  },
  {
    env: 'PUSH_AUDIENCE',
    kind: 'text',
    fallback: '',
    meaning: 'audience that a Pub/Sub push token must name; without it and PUSH_EMAIL pushes are not taken',
  },
  { env: 'PUSH_EMAIL', kind: 'text', fallback: '', meaning: 'service account that a Pub/Sub push token must name' },
  { env: 'PUSH_ISSUER', kind: 'text', fallback: '', meaning: 'issuer of push tokens; empty for Google' },
  {
    env: 'PUSH_KEYS_URL',
    kind: 'url',
    fallback: '',
    meaning: "address of the keys that sign push tokens (JWKS); empty for Google's",
  },
  {
    env: 'HTTP_UNAUTHENTICATED',
    kind: 'flag',
    fallback: 'false',
    meaning: 'let in anyone who reaches the HTTP receiver, where no token or audience is set; for closed networks only',
  },
  { env: 'BATCH_MESSAGES', kind: 'count', fallback: '5000', meaning: 'messages in one transaction at most' },
  {
    env: 'BATCH_LINGER_MS',
    kind: 'milliseconds',
    fallback: '50',
    most: 60_000,
    meaning: 'how long a batch waits for more messages',
  },
  { env: 'CYCLES_KEPT', kind: 'count', fallback: '10', meaning: 'cycle folders (CSVs, operations, report) kept' },
  {
    env: 'LOG_LEVEL',
    kind: 'choice',
    fallback: 'info',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    meaning: 'least severity that is logged, to standard error',
  },
  {
    env: 'LIVE_RELOAD',
    kind: 'flag',
    fallback: 'false',
    meaning: 'restart the container when the source changes (development)',
  },
  {
    env: 'TRASH_RETENTION',
    kind: 'seconds',
    fallback: '604800',
    most: 315_360_000,
    zero: true,
    meaning: 'how long the reference file manager keeps what was deleted, for `undo`; 0 keeps nothing',
  },
  { env: 'BACKUP_S3_ENDPOINT', kind: 'url', fallback: '', meaning: "the reference file manager's backup storage" },
  {
    env: 'BACKUP_S3_ACCESS_KEY',
    kind: 'text',
    fallback: '',
    meaning: "access key of the backup storage; with neither it nor its secret key, the environment's credentials",
  },
  {
    env: 'BACKUP_S3_SECRET_KEY',
    kind: 'text',
    fallback: '',
    meaning: 'secret key of the backup storage',
    secret: true,
  },
  { env: 'BACKUP_S3_BUCKET', kind: 'text', fallback: '', meaning: 'bucket of the backup storage; empty for no backup' },
  { env: 'BACKUP_S3_REGION', kind: 'text', fallback: 'us-east-1', meaning: 'region of the backup storage' },
] as const satisfies readonly Setting[];

export type SettingName = (typeof settings)[number]['env'];

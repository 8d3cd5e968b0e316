import { parseAclMapping } from '../bucket/acl.ts';
import { messageOf } from '../errors.ts';
import type { Needs } from './config.ts';
import { type Setting, type SettingName, settings } from './settings.ts';

/** What is wrong with the value of a setting, or with values taken together. A secret is never repeated. */

const boundsOf = ({ least, most, zero }: Setting): string => {
  const from = zero ? 0 : least;
  return [
    from === undefined ? 'above 0' : `of at least ${from}`,
    ...(most === undefined ? [] : [`at most ${most}`]),
  ].join(' and ');
};

const isWithin = (value: string, { least, most }: Setting): boolean => {
  const number = Number(value);
  return number > 0 && number >= (least ?? 0) && number <= (most ?? number);
};

/** What is wrong with a mapping of ACLs. */
const aclProblem = (value: string): string | undefined => {
  try {
    parseAclMapping(value);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
};

const holdsPassword = (value: string): boolean => {
  if (!URL.canParse(value.trim())) return false;
  const { username, password } = new URL(value.trim());
  return username !== '' || password !== '';
};

const isHttpUrl = (value: string): boolean => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);

/** An address of IPv6 stands in brackets. */
const isHostAndPort = (value: string): boolean => /^(\[[\da-f:.]+\]|[^\s/:@[\]]+):\d{1,5}$/i.test(value);

/** What is wrong with a value that is not empty; `name` is what it was given by. */
export const problemOf = (setting: Setting, value: string, name: string = setting.env): string | undefined => {
  const addresses = setting.kind === 'url' || setting.kind === 'urls';
  // An address may hold a password, a token in its query, or, as that of a report does, one in its path.
  const mayHoldKeys = addresses || setting.kind === 'host';
  const isPrivate = setting.secret || setting.kind === 'urls' || (mayHoldKeys && /[@?]/.test(value));
  const shown = isPrivate ? '' : `, found ${JSON.stringify(value)}`;
  const bad = (expected: string): string => `${name}: expected ${expected}${shown}`;
  if (setting.secret && !/^[\x21-\x7e]+$/.test(value)) return bad('printable ASCII characters without spaces');
  if (addresses && value.split(',').some(holdsPassword))
    return bad('an address without a user name or password: keys and tokens have settings of their own');
  if (setting.zero && /^0+$/.test(value)) return undefined;
  switch (setting.kind) {
    case 'url':
      return isHttpUrl(value) ? undefined : bad('an address such as http://127.0.0.1:9000');
    case 'urls': {
      const parts = value.split(',');
      const wrong = parts.findIndex((part) => !isHttpUrl(part.trim()));
      return wrong < 0
        ? undefined
        : bad(`addresses separated by commas, and number ${wrong + 1} of ${parts.length} is none`);
    }
    case 'host':
      return isHostAndPort(value) ? undefined : bad('host:port, such as 127.0.0.1:8085');
    case 'count':
    case 'milliseconds':
      return /^\d{1,9}$/.test(value) && isWithin(value, setting)
        ? undefined
        : bad(`a whole number ${boundsOf(setting)}`);
    case 'port':
      return /^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? undefined : bad('a port number');
    case 'seconds':
      return /^\d{1,9}(\.\d+)?$/.test(value) && isWithin(value, setting)
        ? undefined
        : bad(`a number of seconds ${boundsOf(setting)}`);
    case 'path':
      return value.startsWith('~')
        ? bad('a path without ~, which only a shell replaces; begin with ./~ to mean it')
        : undefined;
    case 'acl':
      return aclProblem(value);
    case 'share':
      return Number(value) >= 0 && Number(value) <= 1 ? undefined : bad('a share between 0 and 1');
    case 'flag':
      return /^(true|false|1|0|yes|no)$/i.test(value) ? undefined : bad('true or false');
    case 'choice':
      return setting.choices?.includes(value) ? undefined : bad(`one of ${setting.choices?.join(', ')}`);
    default:
      return undefined;
  }
};

const keyPairs = [
  ['CUSTOMER_S3_ACCESS_KEY', 'CUSTOMER_S3_SECRET_KEY'],
  ['BACKUP_S3_ACCESS_KEY', 'BACKUP_S3_SECRET_KEY'],
] as const satisfies readonly (readonly [SettingName, SettingName])[];

/** Half a key pair must not pass for none: requests would then be signed with whatever identity the environment has. */
export const pairProblems = (isSet: (name: SettingName) => boolean): string[] =>
  keyPairs.flatMap(([access, secret]) => {
    if (isSet(access) === isSet(secret)) return [];
    const [set, unset] = isSet(access) ? [access, secret] : [secret, access];
    return [
      `${unset}: not set, and ${set} is: set both, or neither to use the credentials of the environment (role, profile)`,
    ];
  });

/** What is said of settings that are missing. */
export const missingText = ({ purpose, names, perhaps = [] }: Needs): string =>
  [
    `${purpose} needs settings that are not set:`,
    ...names.map((name) => `  ${name}: ${settings.find((setting) => setting.env === name)?.meaning}`),
    ...(perhaps.length === 0
      ? []
      : [`  and, unless the environment has credentials of its own: ${perhaps.join(', ')}`]),
    '.env.example lists them all',
  ].join('\n');

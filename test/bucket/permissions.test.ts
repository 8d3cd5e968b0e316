import test from 'ava';
import { metadataPermissions } from '../../events/permissions.ts';
import { aclPermissions, cannedOf, type Grant, granteeOf, parseAclMapping } from '../../src/bucket/acl.ts';
import { ConfigError } from '../../src/errors.ts';

for (const [metadata, expected] of [
  [{ mode: '33188' }, '0644'], // s3fs, decimal
  [{ mode: '33200' }, '0660'], // decimal, although every digit is octal
  [{ mode: '16877' }, '0755'], // s3fs, a folder
  [{ mode: '100644' }, '0644'], // rclone, octal
  [{ mode: '0100755' }, '0755'],
  [{ mode: '40755' }, '0755'], // rclone, a folder
  [{ mode: '104755' }, '4755'], // set-uid is a permission
  [{ mode: '4755' }, '4755'], // octal: in decimal it would be a FIFO's
  [{ mode: '7777' }, '7777'],
  [{ mode: '644' }, '0644'],
  [{ mode: '0600' }, '0600'],
  [{ 'file-permissions': '0755' }, '0755'], // DataSync
  [{ 'file-permissions': '0100640' }, '0640'], // FSx for Lustre
  [{ mode: '33188', 'file-permissions': '0600' }, '0644'],
  [{ mode: 'rw-r--r--', 'file-permissions': '0600' }, '0600'],
  [{ mode: '99999' }, undefined],
  [{ mode: '-1' }, undefined],
  [{ mode: '' }, undefined],
  [{ 'file-permissions': '888' }, undefined],
  [{ other: '0644' }, undefined],
  [undefined, undefined],
] as const) {
  test(`metadata ${JSON.stringify(metadata)} means ${expected ?? 'nothing'}`, (t) => {
    t.is(metadataPermissions('a', metadata as Record<string, string> | undefined), expected);
  });
}

const owner: Grant = { who: 'owner', permission: 'FULL_CONTROL' };
const everyone = (permission: string): Grant => ({ who: 'everyone', permission });
const acls: readonly (readonly [string, readonly Grant[], string])[] = [
  ['private', [owner], '0600'],
  ['authenticated-read', [owner, { who: 'authenticated', permission: 'READ' }], '0640'],
  ['public-read', [owner, everyone('READ')], '0644'],
  ['public-read-write', [owner, everyone('READ'), everyone('WRITE')], '0666'],
  ['public-read-write', [owner, everyone('FULL_CONTROL')], '0666'],
  ['custom', [owner, { who: 'other', permission: 'READ' }], '0600'],
  ['custom', [owner, everyone('READ'), { who: 'other', permission: 'READ' }], '0644'],
  ['custom', [owner, everyone('READ_ACP')], '0600'],
];

for (const [canned, grants, permissions] of acls) {
  test(`${JSON.stringify(grants.slice(1))} is ${canned}, by default ${permissions}`, (t) => {
    t.is(cannedOf(grants), canned as ReturnType<typeof cannedOf>);
    t.is(aclPermissions(grants), permissions);
    t.is(aclPermissions(grants, parseAclMapping(`${canned}=0123`)), '0123');
    t.is(aclPermissions(grants, parseAclMapping(`${canned}=`)), undefined);
  });
}

test('only the exact address of a group is that group', (t) => {
  const groups = 'http://acs.amazonaws.com/groups/global';
  t.is(granteeOf(`${groups}/AllUsers`, undefined, 'me'), 'everyone');
  t.is(granteeOf(`${groups}/AuthenticatedUsers`, undefined, 'me'), 'authenticated');
  t.is(granteeOf('http://elsewhere.example/AllUsers', undefined, 'me'), 'other');
  t.is(granteeOf(undefined, 'me', 'me'), 'owner');
  t.is(granteeOf(undefined, 'you', 'me'), 'other');
});

test('a mapping is read from text, and a mistake in it is named', (t) => {
  t.deepEqual(parseAclMapping(' public-read=0644 , private=rw:owner,custom= '), {
    'public-read': '0644',
    private: 'rw:owner',
    custom: '',
  });
  t.deepEqual(parseAclMapping(''), {});
  for (const wrong of ['public=0644', 'private', 'private=0600,private=0644', 'private=a=b'])
    t.throws(() => parseAclMapping(wrong), { instanceOf: ConfigError, message: /expected private=…/ });
});

import type { Mutation } from './list.ts';

const askTests = ['test/intake/ask.test.ts'];
const renamedTests = ['test/intake/renamed.test.ts'];
const unansweredTests = ['test/intake/unanswered.test.ts'];
const localstack = ['test/providers/localstack.test.ts'];

/** Breaks of the intake of a batch: what the bucket is asked, and what is recorded of its answers. */
export const intakeMutations: readonly Mutation[] = [
  {
    name: 'do not ask where a rename of an unknown file leads',
    file: 'src/intake/renamed.ts',
    find: '(!source || both || source.asked || isCopied)',
    replace: '(source && (both || source.asked || isCopied))',
    tests: renamedTests,
    match: 'a rename from where the log knows nothing*',
  },
  {
    name: 'do not ask about an object of parts that was renamed',
    file: 'src/intake/renamed.ts',
    find: 'source.asked || isCopied)',
    replace: 'source.asked)',
    tests: renamedTests,
    match: 'an object of parts*',
  },
  {
    name: 'trust a rename that a listing may have seen already',
    file: 'src/intake/renamed.ts',
    find: 'Date.parse(time) >= Date.parse(listed.from) &&',
    replace: 'false &&',
    tests: renamedTests,
    match: 'a rotation*',
  },
  {
    name: 'trust a rename near a listing once permissions changed',
    file: 'src/intake/renamed.ts',
    find: '!source.fresh && isNear',
    replace: 'source.asked && isNear',
    tests: renamedTests,
    match: 'a rename that a listing has seen*',
  },
  {
    name: 'take what stands now for what an earlier event of the batch left there',
    file: 'src/intake/renamed.ts',
    find: 'return !isLater(last.get(path)) &&',
    replace: 'return',
    tests: renamedTests,
    match: 'files that change places*',
  },
  {
    name: 'take for gone what a listing that was cut off does not show',
    file: 'src/intake/beside.ts',
    find: 'if (!renamed.both || tooLarge > tooLargeBefore) return;',
    replace: 'if (!renamed.both) return;',
    tests: unansweredTests,
    match: 'a folder that holds more*',
  },
  {
    name: 'take for gone what may not be read',
    file: 'src/intake/beside.ts',
    find: 'left && !silentAt.has(places.to)',
    replace: 'left',
    tests: unansweredTests,
    match: 'an object that may not be read is not taken for gone*',
  },
  {
    name: 'list one folder after another while the bucket is away',
    file: 'src/intake/beside.ts',
    find: 'if (away === undefined) await',
    replace: 'await',
    tests: unansweredTests,
    match: 'while the bucket does not list*',
  },
  {
    name: 'ask again about a rename that is delivered again',
    file: 'src/intake/intake.ts',
    find: 'found.filter(({ event }) => !held.has(event.id))',
    replace: 'found.filter(({ event }) => !held.has(`${event.id}?`))',
    tests: renamedTests,
    match: 'a rename from where the log knows nothing*',
  },
  {
    name: 'delete what was announced before it was there',
    file: 'src/intake/ask.ts',
    find: "return event.type === 'delete' ? { ...event, source } : undefined;",
    replace: "return { ...event, type: 'delete', source };",
    tests: askTests,
    match: 'Ceph announces*',
  },
  {
    name: 'take facts of another object than the one announced',
    file: 'src/intake/ask.ts',
    find: 'if (isOther ||',
    replace: 'if (!facts ||',
    tests: askTests,
    match: 'what the bucket adds*',
  },
  {
    name: "keep a file's permissions whatever its new metadata says",
    file: 'src/intake/unstated.ts',
    find: 'return acl || (row !== undefined',
    replace: 'return acl || (false && row !== undefined',
    tests: localstack,
    match: 'permissions in metadata*',
  },
  {
    name: "let an ACL overrule an object's metadata",
    file: 'src/intake/ask.ts',
    find: "if (!facts || facts.permissions !== undefined || question === 'metadata') return facts?.permissions;",
    replace: "if (!facts || question === 'metadata') return facts?.permissions;",
    tests: localstack,
    match: 'permissions in metadata*',
  },
  {
    name: 'let a message that waits for the bucket hold back its whole batch',
    file: 'src/intake/intake.ts',
    find: '  if (waitsFor) {',
    replace: '  if (waitsFor) throw waitsFor;\n  if (waitsFor) {',
    tests: ['test/intake/unanswered.test.ts'],
    match: 'while the bucket cannot be asked*',
  },
];

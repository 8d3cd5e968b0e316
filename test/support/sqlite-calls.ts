import sqlite3 from 'sqlite3';

type Call = (...given: unknown[]) => unknown;

/** From here on, in this process, every call of these methods of SQLite's driver goes through `around`. */
export const wrapCalls = (
  methods: { readonly database: readonly string[]; readonly statement: readonly string[] },
  around: (call: Call, given: readonly unknown[]) => unknown,
): void => {
  const wrap = (prototype: object, names: readonly string[]): void => {
    const calls = prototype as Record<string, Call>;
    for (const name of names) {
      const call = calls[name] as Call;
      calls[name] = function (this: unknown, ...given) {
        return around(call.bind(this), given);
      };
    }
  };
  wrap(sqlite3.Database.prototype, methods.database);
  wrap(sqlite3.Statement.prototype, methods.statement);
};

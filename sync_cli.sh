#!/usr/bin/env bash
# s3-sync: in the container when the compose stack is up, on this machine otherwise. Arguments, standard input and the
# exit code stay as they are.
# It may be called through links, under any name; the project is where the file itself lies.
self="${BASH_SOURCE[0]}"
while [ -L "$self" ]; do
  folder="$(cd -P "$(dirname "$self")" && pwd)"
  self="$(readlink "$self")"
  [ "${self#/}" = "$self" ] && self="$folder/$self"
done
here="$(cd -P "$(dirname "$self")" && pwd)"

stack_is_up() {
  command -v docker >/dev/null 2>&1 || return 1
  [ -n "$(docker compose --project-directory "$here" ps --quiet --status running sync-service 2>/dev/null </dev/null)" ]
}

if stack_is_up; then
  terminal=--no-TTY
  [ -t 0 ] && [ -t 1 ] && terminal=
  # shellcheck disable=SC2086 # no terminal option means no argument
  exec docker compose --project-directory "$here" exec $terminal sync-service s3-sync "$@"
fi
# The packages bring the Node that the service needs, whatever this machine has.
if [ ! -e "$here/node_modules/.bin/node" ]; then
  echo "s3-sync: its packages are not installed in $here: run 'make setup' there first (or 'npm ci')" >&2
  exit 2
fi
PATH="$here/node_modules/.bin:$PATH" exec node --max-semi-space-size=16 "$here/src/cli.ts" "$@"

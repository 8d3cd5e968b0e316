#!/usr/bin/env -S node --max-semi-space-size=16
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Compiled code is kept between runs, so that a command starts in half the time: in the user's own cache folder, since what
// lies there is run, and the system's temporary folder is open to everyone. Where it cannot be written nothing is kept.
const { XDG_CACHE_HOME, HOME, USERPROFILE } = process.env;
const home = HOME || USERPROFILE;
const caches = XDG_CACHE_HOME || (home && join(home, '.cache'));
if (caches) enableCompileCache(join(caches, 's3-sync'));
await import('./main.ts');

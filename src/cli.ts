#!/usr/bin/env -S node --max-semi-space-size=16
import { enableCompileCache } from 'node:module';

// Compiled code is kept between runs (in the system's temporary folder), so that a command starts in half the time.
enableCompileCache();
await import('./main.ts');

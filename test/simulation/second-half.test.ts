import test from 'ava';
import { runShare } from './share.ts';

test('whatever fails on the way, bucket, projection and file manager end equal (second half of the seeds)', (t) =>
  runShare(t, 1));

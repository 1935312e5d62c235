import { expect, it } from 'vitest';
import { describe as describeError } from '../../cli/run-main.js';

it('cuts long messages, unless they are asked for', () => {
  const long = new Error(Array.from({ length: 40 }, (_, line) => `line ${line}`).join('\n'));
  expect(describeError(new Error('short\nstory'), {})).toBe('short\nstory');
  expect(describeError(long, {}).split('\n').slice(-2)).toEqual(['line 11', '... 28 more lines with FULLPOSE_DEBUG=1']);
  expect(describeError(long, { FULLPOSE_DEBUG: '1' })).toContain('line 39\n    at ');
  expect(describeError('plain', {})).toBe('plain');
});

it('leaves out the stack that a page puts into its message', () => {
  const thrown = new Error(
    'it is 9\n    at start (http://localhost:1/main.ts:3:4)\n    at http://localhost:1/main.ts:5:6',
  );
  expect(describeError(thrown, {})).toBe('it is 9');
  expect(describeError(thrown, { FULLPOSE_DEBUG: '1' })).toContain('main.ts:5:6');
});

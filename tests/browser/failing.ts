import { gpuSuite } from './suite.js';

/**
 * Cases that must fail, to show that a failure on the page reaches the test runner. Not part of the collected suites.
 */
export const failing = gpuSuite('failing on purpose', (test) => {
  test('throws', () => {
    throw new Error('two is not three');
  });
});

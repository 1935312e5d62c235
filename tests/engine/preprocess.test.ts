import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/engine/errors.js';
import { preprocess } from '../../src/engine/preprocess.js';

describe('preprocess', () => {
  it('leaves plain WGSL alone', () => {
    const source = '// a comment\nfn f() {}\n';
    expect(preprocess(source)).toBe(source);
  });

  it('includes a file once, also through other files', () => {
    const files = { 'lib/a.wgsl': 'a', 'lib/b.wgsl': '//#include "lib/a.wgsl"\nb' };
    const source = '//#include "lib/b.wgsl"\n//#include "lib/a.wgsl"\nmain';
    expect(preprocess(source, { files })).toBe('a\nb\nmain');
  });

  it('survives files that include each other', () => {
    const files = { a: '//#include "b"\na', b: '//#include "a"\nb' };
    expect(preprocess('//#include "a"', { files })).toBe('b\na');
  });

  it.each([
    [true, true, 'x\ny\nend'],
    [true, false, 'x\nnot y\nend'],
    [false, true, 'not x\nend'],
    [false, false, 'not x\nend'],
  ])('keeps the branches of X = %s, Y = %s', (X, Y, expected) => {
    const source = [
      '//#if X',
      'x',
      '  //#if Y',
      'y',
      '  //#else',
      'not y',
      '  //#endif',
      '//#else',
      'not x',
      '//#endif',
      'end',
    ];
    expect(preprocess(source.join('\n'), { flags: { X, Y } })).toBe(expected);
  });

  it('understands negation, and includes only in branches that are kept', () => {
    const options = { files: { a: 'included' }, flags: { X: true } };
    expect(preprocess('//#if !X\n//#include "a"\n//#else\nx\n//#endif', options)).toBe('x');
    expect(preprocess('//#if X\n//#include "a"\n//#endif', options)).toBe('included');
  });

  it.each([
    ['//#if X\n', /<source>:1: flag 'X' is not among \[A\]/],
    ['//#if toString\n//#endif', /wants NAME or !NAME, found 'toString'/],
    ['//#if\n//#endif', /wants NAME or !NAME, found ''/],
    ['\n//#else', /<source>:2: \/\/#else without/],
    ['//#if A\n//#else\n//#else\n//#endif', /<source>:3: \/\/#else without/],
    ['//#endif', /\/\/#endif without/],
    ['//#if A\n', /<source>:1: \/\/#if without \/\/#endif/],
    ['//#include "b"', /cannot include 'b'; the files given are \[a\]/],
    ['//#include b', /wants a quoted name, found 'b'/],
    ['//#define X 1', /unknown directive '\/\/#define'/],
  ])('refuses %j', (source, message) => {
    const options = { files: { a: '' }, flags: { A: true } };
    expect(() => preprocess(source, options)).toThrow(InputError);
    expect(() => preprocess(source, options)).toThrow(message);
  });

  it('names the included file in errors', () => {
    expect(() => preprocess('//#include "a"', { files: { a: 'x\n//#endif' } })).toThrow(/a:2:/);
  });
});

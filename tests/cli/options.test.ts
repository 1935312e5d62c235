import { describe, expect, it } from 'vitest';
import { outputNames } from '../../cli/align-pictures.js';
import { parseAlignArguments, startFolder, UsageError } from '../../cli/options.js';

const parse = (...argv: readonly string[]) => parseAlignArguments(argv, '/home/ada');

describe('parseAlignArguments', () => {
  it('without arguments aligns the sample into out/', () => {
    expect(parse()).toEqual({ mode: 'pictures', pictures: [], out: '/home/ada/out', iterations: undefined });
  });

  it('takes pictures, relative to where the user is', () => {
    expect(parse('a.png', '/b/c.jpg', '--out', 'faces', '--iterations', '2')).toEqual({
      mode: 'pictures',
      pictures: ['/home/ada/a.png', '/b/c.jpg'],
      out: '/home/ada/faces',
      iterations: 2,
    });
  });

  it('takes a list with its results', () => {
    expect(parse('--list', 'list.json', '--results=/tmp/results.json')).toEqual({
      mode: 'list',
      list: '/home/ada/list.json',
      results: '/tmp/results.json',
      iterations: undefined,
    });
  });

  it('asks for help before it looks at the rest', () => {
    expect(parse('--help', '--list', 'x')).toEqual({ mode: 'help' });
  });

  it.each([
    [['--list', 'a.json'], '--list without --results'],
    [['--results', 'a.json'], '--results without --list'],
    [['--list', 'a.json', '--results', 'b.json', 'c.png'], '--list and the picture "c.png"'],
    [['--list', 'a.json', '--results', 'b.json', '--out', 'd'], '--out with --list'],
    [['--iterations', '0'], '--iterations is "0"; wanted a whole number of at least 1'],
    [['--iterations', '2.5'], '--iterations is "2.5"'],
    [['--iterations', 'two'], '--iterations is "two"'],
    [['--fast'], "Unknown option '--fast'"],
    [['--out'], '--out'],
  ])('refuses %j', (argv, message) => {
    expect(() => parse(...argv)).toThrow(UsageError);
    expect(() => parse(...argv)).toThrow(message);
  });
});

describe('startFolder', () => {
  it('is where npm was called, where this is npm running this very script', () => {
    const env = { npm_lifecycle_event: 'align', INIT_CWD: '/home/ada' };
    expect(startFolder(env, '/repo', 'align')).toBe('/home/ada');
    expect(startFolder(env, '/repo', 'evaluate')).toBe('/repo');
    expect(startFolder({}, '/repo', 'align')).toBe('/repo');
  });
});

describe('outputNames', () => {
  it('are the names of the pictures, made distinct', () => {
    expect(outputNames(['/a/face.png', '/b/face.jpg', '/b/other.tar.png', '/face-2.png', 'face'])).toEqual([
      'face',
      'face-2',
      'other.tar',
      'face-2-2',
      'face-3',
    ]);
  });
});

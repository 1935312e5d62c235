import { describe, expect, it } from 'vitest';
import { alignUsage, parseAlignArguments, startFolder, UsageError } from '../../cli/options.js';
import { browserFrom, thisMachine } from '../../scripts/browser.js';

const parse = (...argv: readonly string[]) => parseAlignArguments(argv, '/home/ada');

const common = {
  iterations: undefined,
  resume: false,
  browser: browserFrom(thisMachine),
  search: 'everywhere',
  minConfidence: 0.5,
} as const;
const files = { out: '/home/ada/out', formats: ['json', 'obj', 'png'] } as const;

describe('parseAlignArguments', () => {
  it('without arguments aligns the sample into out/', () => {
    expect(parse()).toEqual({ mode: 'pictures', pictures: [], ...files, ...common });
  });

  it('takes pictures, folders and patterns as they are written', () => {
    expect(parse('a.png', '/b', 'c/*.jpg', '--out', 'faces', '--iterations', '2')).toEqual({
      mode: 'pictures',
      pictures: ['a.png', '/b', 'c/*.jpg'],
      ...files,
      out: '/home/ada/faces',
      ...common,
      iterations: 2,
    });
  });

  it('takes the browser, and refuses one it does not know', () => {
    expect(parse('--browser', 'firefox')).toMatchObject({ mode: 'pictures', browser: 'firefox' });
    expect(parse('--browser', 'firefox', '--list', 'a', '--results', 'b')).toMatchObject({ browser: 'firefox' });
    expect(() => parse('--browser', 'safari')).toThrow(UsageError);
    expect(() => parse('--browser', 'safari')).toThrow('--browser is "safari"; wanted one of chromium, firefox');
  });

  it('takes where to look, and from which confidence on a face is one', () => {
    expect(parse('--search', 'whole', '--min-confidence', '0')).toMatchObject({ search: 'whole', minConfidence: 0 });
    expect(parse('--video', 'a.mp4', '--search', 'everywhere', '--min-confidence=.75')).toMatchObject({
      search: 'everywhere',
      minConfidence: 0.75,
    });
  });

  it('takes formats in any order, each once', () => {
    expect(parse('--format', 'ply, json,ply')).toMatchObject({ formats: ['json', 'ply'] });
    expect(parse('--format=png', '--video', 'a.mp4')).toMatchObject({ formats: ['png'] });
    const pictures = 'pncc,depth,texture';
    expect(parse('--format', pictures)).toMatchObject({ formats: pictures.split(',') });
    expect(alignUsage).toContain('json, obj, ply, gltf, png, pncc, depth, texture\n');
    expect(() => parse('--format', 'vertices')).toThrow('--format has "vertices"');
  });

  it('takes a list with its results', () => {
    expect(parse('--list', 'list.json', '--results=/tmp/results.json', '--resume')).toEqual({
      mode: 'list',
      list: '/home/ada/list.json',
      results: '/tmp/results.json',
      ...common,
      resume: true,
    });
  });

  it('takes videos, of which it writes only JSON where nothing else is asked for', () => {
    expect(parse('--video', 'a.mp4', '--video', '/b/c.webm')).toEqual({
      mode: 'videos',
      videos: ['/home/ada/a.mp4', '/b/c.webm'],
      smoothing: false,
      ...files,
      formats: ['json'],
      ...common,
      search: 'until-found',
    });
    expect(parse('--smoothing', '--video', 'a.mp4')).toMatchObject({ smoothing: true });
  });

  it('asks for help before it looks at the rest', () => {
    expect(parse('--help', '--list', 'x')).toEqual({ mode: 'help' });
  });

  it.each([
    [['--list', 'a.json'], '--list without --results'],
    [['--results', 'a.json'], '--results without --list'],
    [['--list', 'a.json', '--results', 'b.json', 'c.png'], '--list and the picture "c.png"'],
    [['--list', 'a.json', '--results', 'b.json', '--out', 'd'], '--out with --list'],
    [['--list', 'a.json', '--results', 'b.json', '--format', 'obj'], '--format with --list'],
    [['--list', 'a.json', '--results', 'b.json', '--video', 'd.mp4'], '--video and --list'],
    [['--list', 'a.json', '--results', './a.json'], '--results would write over the list'],
    [['--video', 'a.mp4', 'b.png'], '--video and the picture "b.png"'],
    [['a.png', '--smoothing'], '--smoothing without --video'],
    [['--format', 'json,stl'], '--format has "stl"; wanted some of json, obj, ply, gltf, png'],
    [['--format', ''], '--format has ""'],
    [['--format', 'obj,png', '--resume'], '--resume without json in --format'],
    [['--format', 'png', '--resume', '--video', 'a.mp4'], '--resume without json in --format'],
    [['--iterations', '0'], '--iterations is "0"; wanted a whole number from 1 to 3'],
    [['--iterations', '4'], '--iterations is "4"; wanted a whole number from 1 to 3'],
    [['--iterations', '2.5'], '--iterations is "2.5"'],
    [['--iterations', 'two'], '--iterations is "two"'],
    [['--search', 'here'], '--search is "here"; wanted one of whole, until-found, everywhere'],
    [['--min-confidence', '1.5'], '--min-confidence is "1.5"; wanted a number from 0 to 1'],
    [['--min-confidence', ''], '--min-confidence is ""'],
    [['--min-confidence', 'half'], '--min-confidence is "half"'],
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

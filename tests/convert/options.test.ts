import { describe, expect, it } from 'vitest';
import { convertUsage, parseConvertArguments, UsageError } from '../../convert/options.js';

describe('parseConvertArguments', () => {
  it('takes what is written, and leaves out what is not', () => {
    expect(parseConvertArguments(['nets/a.onnx'])).toEqual({
      model: 'nets/a.onnx',
      out: 'a',
      options: { origin: 'a.onnx' },
    });
    const argv = ['a.onnx', '-o', 'b', '--size', '5x7', '--mean=-1,2.5,3', '--white', '255', '--order', 'bgr'];
    expect(parseConvertArguments(argv)).toEqual({
      model: 'a.onnx',
      out: 'b',
      options: { origin: 'a.onnx', size: [5, 7], picture: { order: 'bgr', white: 255, mean: [-1, 2.5, 3] } },
    });
  });

  it('asks for help before it looks at the rest', () => {
    for (const help of ['-h', '--help']) expect(parseConvertArguments([help, '--mean', 'x'])).toBeUndefined();
    expect(convertUsage).toContain('-h, --help');
  });

  it.each([
    [[], '0 models; wanted one'],
    [['a', 'b'], '2 models; wanted one'],
    [['a', '--size', '5'], '--size is "5"; wanted HxW'],
    [['a', '--mean', 'a,b,c'], '--mean is "a,b,c"; wanted three numbers A,B,C'],
    [['a', '--mean', '1,2'], '--mean is "1,2"; wanted three numbers A,B,C'],
    [['a', '--std', '1,,2'], '--std is "1,,2"; wanted three numbers A,B,C'],
    [['a', '--std', '1,0,2'], '--std is [1,0,2]; wanted numbers other than 0'],
    [['a', '--white', 'w'], '--white is "w"; wanted a number'],
    [['a', '--order', 'rbg'], "--order is \"rbg\"; wanted 'rgb' or 'bgr'"],
    [['a', '--fit', 'fill'], '--fit is "fill"; wanted'],
    [['a', '--fast'], "Unknown option '--fast'"],
  ])('refuses %j', (argv, message) => {
    expect(() => parseConvertArguments(argv)).toThrow(UsageError);
    expect(() => parseConvertArguments(argv)).toThrow(message);
  });
});

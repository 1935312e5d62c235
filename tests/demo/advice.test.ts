import { describe, expect, it } from 'vitest';
import { problemOf, webGpuAdvice } from '../../demo/advice.js';
import { PictureError } from '../../pages/pictures.js';
import { WebGPUUnavailableError } from '../../src/engine/errors.js';

const agents = {
  chromeLinux: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  chromeOld: 'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/101.0.0.0 Safari/537.36',
  edge: 'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
  android:
    'Mozilla/5.0 (Linux; Android 11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36',
  firefox: 'Mozilla/5.0 (Windows NT 10.0; rv:139.0) Gecko/20100101 Firefox/139.0',
  firefoxLinux: 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
  safari:
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
};

describe('advice', () => {
  it.each([
    ['chromeLinux', 'chrome://flags'],
    ['chromeOld', 'this is 101'],
    ['edge', 'graphics acceleration'],
    ['android', 'Android 12'],
    ['firefox', 'this is 139'],
    ['firefoxLinux', 'about:config'],
    ['safari', 'this is 18'],
  ] as const)('without WebGPU says what helps in %s', (agent, text) => {
    expect(webGpuAdvice(agents[agent])).toContain(text);
  });

  it('names what went wrong and what to do about it', () => {
    const of = (error: unknown) => problemOf(error, agents.edge);
    expect(of(new WebGPUUnavailableError('no adapter.'))).toMatchObject({ title: 'WebGPU is missing: no adapter' });
    const picture = of(new PictureError('not-a-picture', 'a.txt is not a picture that the browser can decode'));
    expect(picture.title).toBe('a.txt is not a picture that the browser can decode');
    expect(picture.advice).toContain('JPEG');
    expect(of(new DOMException('Permission denied', 'NotAllowedError')).title).toBe('The camera was not allowed');
    expect(of(new DOMException('Requested device not found', 'NotFoundError')).title).toBe('There is no camera');
    expect(of(new DOMException('Could not start', 'NotReadableError')).title).toBe('The camera is in use');
    expect(of('nothing known')).toEqual({
      title: 'nothing known',
      advice: 'Try another picture; if that fails too, reload the page.',
    });
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  BrowserMissingError,
  type BrowserName,
  type BrowserSource,
  browserFlags,
  browserFrom,
  browserSources,
  findBrowser,
  firstBrowser,
  gpuModeFrom,
  installedCandidates,
  type Machine,
  puppeteerBrowser,
  runInstaller,
} from '../scripts/browser.js';

const source = (name: string, ...paths: readonly string[]): BrowserSource => ({ name, find: async () => paths });

describe('installedCandidates', () => {
  it('asks every folder of PATH for the best-known name before the next name', () => {
    const places = installedCandidates('chromium', { platform: 'linux', env: { PATH: '/a:/b' } });
    expect(places.slice(0, 4)).toEqual([
      '/a/google-chrome-stable',
      '/b/google-chrome-stable',
      '/a/google-chrome',
      '/b/google-chrome',
    ]);
    expect(places).toContain('/usr/bin/chromium');
    expect(new Set(places).size).toBe(places.length);
  });

  it('knows the application folders of macOS, the system first', () => {
    expect(installedCandidates('chromium', { platform: 'darwin', env: { HOME: '/Users/ada' } })).toEqual([
      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      '/Applications/Chromium.app/Contents/MacOS/Chromium',
      '/Users/ada/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      '/Users/ada/Applications/Chromium.app/Contents/MacOS/Chromium',
    ]);
  });

  it('knows the program folders of Windows that exist in the environment', () => {
    const places = installedCandidates('chromium', { platform: 'win32', env: { PROGRAMFILES: 'C:\\Programs' } });
    expect(places).toEqual([
      'C:\\Programs\\Google\\Chrome\\Application\\chrome.exe',
      'C:\\Programs\\Chromium\\Application\\chrome.exe',
    ]);
  });
});

describe("Firefox's candidates", () => {
  it('come from the PATH before the usual places', () => {
    expect(installedCandidates('firefox', { platform: 'linux', env: { PATH: '/a' } }).slice(0, 3)).toEqual([
      '/a/firefox',
      '/a/firefox-esr',
      '/usr/bin/firefox-esr',
    ]);
  });

  it('are those of macOS and Windows there', () => {
    expect(installedCandidates('firefox', { platform: 'darwin', env: {} })).toEqual([
      '/Applications/Firefox.app/Contents/MacOS/firefox',
    ]);
    expect(installedCandidates('firefox', { platform: 'win32', env: { PROGRAMFILES: 'C:\\P' } })).toEqual([
      'C:\\P\\Mozilla Firefox\\firefox.exe',
    ]);
  });

  it('lead to an error of their own', async () => {
    const error = await firstBrowser('firefox', [source('installed')], async () => undefined).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BrowserMissingError);
    expect(String(error)).toMatch(/No Firefox[\s\S]*firefox-esr mesa-vulkan-drivers[\s\S]*FIREFOX_BIN/);
  });

  it('are asked for by apt before a download, which lacks a driver', () => {
    const names = (browser: BrowserName) => browserSources(browser).map(({ name }) => name);
    expect(names('firefox')).toEqual([
      'an installed Firefox',
      "Puppeteer's cache",
      'apt-get as root',
      "Puppeteer's download",
    ]);
    expect(names('chromium').slice(2)).toEqual(["Puppeteer's download", 'apt-get as root']);
  });
});

describe('browserFrom', () => {
  it('is Chromium unless told otherwise, and refuses a browser it does not know', () => {
    expect(browserFrom({ env: {} })).toBe('chromium');
    expect(browserFrom({ env: { FULLPOSE_BROWSER: 'firefox' } })).toBe('firefox');
    expect(() => browserFrom({ env: { FULLPOSE_BROWSER: 'safari' } })).toThrow(
      'FULLPOSE_BROWSER is "safari"; wanted one of chromium, firefox',
    );
  });
});

describe('firstBrowser', () => {
  it('takes the first path that starts, over sources that have none, fail, or hold a stub', async () => {
    const asked: string[] = [];
    const sources: readonly BrowserSource[] = [
      source('none'),
      {
        name: 'broken',
        find: async () => {
          throw new Error('no network');
        },
      },
      source('two', '/stub', '/good'),
      source('never', '/late'),
    ];
    const path = await firstBrowser('chromium', sources, async (candidate) => {
      asked.push(candidate);
      return candidate === '/stub' ? 'libnss3.so: cannot open' : undefined;
    });
    expect(path).toBe('/good');
    expect(asked).toEqual(['/stub', '/good']);
  });

  it('names every attempt and the three ways out when there is no browser', async () => {
    const failing: BrowserSource = {
      name: 'download',
      find: async () => {
        throw new Error('no network');
      },
    };
    const error = await firstBrowser(
      'chromium',
      [source('installed'), failing, source('cache', '/stub')],
      async () => 'libnss3',
    ).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BrowserMissingError);
    expect(error).toMatchObject({
      code: 'browser-missing',
      attempts: ['installed: none', 'download: no network', 'cache: /stub does not start: libnss3'],
    });
    expect(String(error)).toMatch(
      /apt-get install chromium[\s\S]*browsers install chrome[\s\S]*PUPPETEER_EXECUTABLE_PATH/,
    );
  });
});

describe('findBrowser', () => {
  const machine = (env: NodeJS.ProcessEnv): Machine => ({
    platform: 'linux',
    env,
    isExecutable: (path) => path === '/opt/mine',
  });

  it('takes PUPPETEER_EXECUTABLE_PATH before everything else', async () => {
    const path = await findBrowser('chromium', machine({ PUPPETEER_EXECUTABLE_PATH: '/opt/mine' }), [
      source('other', '/other'),
    ]);
    expect(path).toBe('/opt/mine');
  });

  it('takes FIREFOX_BIN for Firefox, and no other variable', async () => {
    const env = { PUPPETEER_EXECUTABLE_PATH: '/opt/chrome', FIREFOX_BIN: '/opt/mine' };
    expect(await findBrowser('firefox', machine(env), [])).toBe('/opt/mine');
    await expect(findBrowser('firefox', machine({ FIREFOX_BIN: '/opt/gone' }), [])).rejects.toThrow(
      'FIREFOX_BIN is "/opt/gone"',
    );
  });

  it('refuses a PUPPETEER_EXECUTABLE_PATH that cannot be run rather than taking another browser', async () => {
    await expect(
      findBrowser('chromium', machine({ PUPPETEER_EXECUTABLE_PATH: '/opt/gone' }), [source('other', '/other')]),
    ).rejects.toThrow('/opt/gone');
  });

  it.runIf(process.platform === 'linux')('passes over an executable that does not start', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fullpose-'));
    try {
      const [stub, good] = [join(folder, 'stub'), join(folder, 'good')];
      writeFileSync(stub, '#!/bin/sh\necho no such library >&2\nexit 127\n', { mode: 0o755 });
      writeFileSync(good, '#!/bin/sh\necho Chromium 150\n', { mode: 0o755 });
      expect(await findBrowser('chromium', machine({}), [source('installed', stub, good)])).toBe(good);
      await expect(findBrowser('chromium', machine({}), [source('installed', stub)])).rejects.toThrow(
        'no such library',
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('runInstaller', () => {
  it('rejects with the exit code and the last line of output', async () => {
    const script = 'console.error("first"); console.error("no route to host"); process.exit(3)';
    await expect(runInstaller(process.execPath, ['-e', script], process.env)).rejects.toThrow(
      /exit code 3 \(no route to host\)/,
    );
  });

  it('kills what stays silent', async () => {
    await expect(
      runInstaller(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], process.env, 300),
    ).rejects.toThrow('silent for 0.3 s');
  });
});

describe('puppeteerBrowser', () => {
  it.each([
    ['/root/.cache/puppeteer/chrome/linux-148.0.7778.97/chrome-linux64/chrome', '/root/.cache/puppeteer'],
    [
      'C:\\Users\\ada\\.cache\\puppeteer\\chrome\\win64-148.0.7778.97\\chrome-win64\\chrome.exe',
      'C:\\Users\\ada\\.cache\\puppeteer',
    ],
    ['/c/chrome/mac_arm-148.0.7778.97/chrome-mac-arm64/Google Chrome for Testing.app/Contents/MacOS/chrome', '/c'],
  ])('reads cache and version from %s', (path, cacheDir) => {
    expect(puppeteerBrowser('chromium', path)).toEqual({ cacheDir, buildId: '148.0.7778.97' });
  });

  it("reads Firefox's too", () => {
    const path = '/root/.cache/puppeteer/firefox/linux-stable_150.0.2/firefox/firefox';
    expect(puppeteerBrowser('firefox', path)).toEqual({
      cacheDir: '/root/.cache/puppeteer',
      buildId: 'stable_150.0.2',
    });
  });

  it('refuses a path of another shape', () => {
    expect(() => puppeteerBrowser('chromium', '/opt/google/chrome/chrome')).toThrow('/opt/google/chrome/chrome');
  });
});

describe('flags', () => {
  it('drops the sandbox for root only, and picks SwiftShader in software mode only', () => {
    expect(browserFlags('software', true)).toContain('--no-sandbox');
    expect(browserFlags('software', false)).not.toContain('--no-sandbox');
    expect(browserFlags('software', false)).toContain('--use-vulkan=swiftshader');
    expect(browserFlags('hardware', false).join(' ')).not.toContain('swiftshader');
  });

  it('chooses software on Linux unless told otherwise, and refuses unknown modes', () => {
    expect(gpuModeFrom({ platform: 'linux', env: {} })).toBe('software');
    expect(gpuModeFrom({ platform: 'darwin', env: {} })).toBe('hardware');
    expect(gpuModeFrom({ platform: 'linux', env: { FULLPOSE_GPU: 'hardware' } })).toBe('hardware');
    expect(() => gpuModeFrom({ platform: 'linux', env: { FULLPOSE_GPU: 'fast' } })).toThrow('"fast"');
  });
});

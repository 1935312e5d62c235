import { execFile, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'puppeteer';

/**
 * Chromium's flags for WebGPU. On a machine without a GPU they select SwiftShader, for WebGPU and for page compositing alike; with fewer of
 * them compute still works but canvases and video frames do not.
 */
const softwareGpuFlags = [
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan',
  '--use-vulkan=swiftshader',
  '--use-angle=swiftshader',
] as const;

/** Flags for a machine with a GPU: take it even where Chromium would rather not. */
const hardwareGpuFlags = ['--enable-unsafe-webgpu', '--enable-features=Vulkan', '--ignore-gpu-blocklist'] as const;

const quietFlags = [
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--enable-webgpu-developer-features',
] as const;

/** `software` is SwiftShader, the same arithmetic on every machine; `hardware` is whatever GPU Chromium finds. */
export const gpuModes = ['software', 'hardware'] as const;
export type GpuMode = (typeof gpuModes)[number];

/** The GPU mode asked for by `FULLPOSE_GPU`; without it software on Linux (servers, containers) and hardware elsewhere. */
export function gpuModeFrom(machine: Pick<Machine, 'platform' | 'env'>): GpuMode {
  const value = machine.env.FULLPOSE_GPU ?? (machine.platform === 'linux' ? 'software' : 'hardware');
  const mode = gpuModes.find((known) => known === value);
  if (mode === undefined) throw new Error(`FULLPOSE_GPU is "${value}"; wanted one of ${gpuModes.join(', ')}`);
  return mode;
}

/** Chromium's command line; `asRoot` because its sandbox refuses to start as root. */
export function browserFlags(mode: GpuMode, asRoot: boolean): readonly string[] {
  const gpu = mode === 'software' ? softwareGpuFlags : hardwareGpuFlags;
  return [...(asRoot ? ['--no-sandbox'] : []), ...gpu, ...quietFlags];
}

/** No browser was found and none could be fetched. `attempts` says what was tried, in order. */
export class BrowserMissingError extends Error {
  readonly code = 'browser-missing';
  readonly attempts: readonly string[];

  constructor(attempts: readonly string[]) {
    super(
      `No Chrome or Chromium to run WebGPU in. Tried:\n${attempts.map((attempt) => `  - ${attempt}`).join('\n')}\n` +
        'Any of these helps:\n' +
        '  1. install Google Chrome or Chromium (Debian, Ubuntu: apt-get install chromium);\n' +
        '  2. npx puppeteer browsers install chrome;\n' +
        '  3. set PUPPETEER_EXECUTABLE_PATH to the executable of a Chrome or Chromium, version 113 or newer.',
    );
    this.name = 'BrowserMissingError';
    this.attempts = attempts;
  }
}

/** What the search for an installed browser looks at; a parameter so that tests can describe any machine. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  readonly isExecutable: (path: string) => boolean;
}

const commandNames = ['google-chrome-stable', 'google-chrome', 'chromium', 'chromium-browser', 'chrome'] as const;

/** The usual places of an installed Chrome or Chromium, most wanted first. None of them need exist. */
export function installedCandidates(machine: Pick<Machine, 'platform' | 'env'>): readonly string[] {
  const { platform, env } = machine;
  if (platform === 'darwin') {
    const applications = ['/Applications', ...(env.HOME ? [`${env.HOME}/Applications`] : [])];
    return applications.flatMap((folder) => [
      `${folder}/Google Chrome.app/Contents/MacOS/Google Chrome`,
      `${folder}/Chromium.app/Contents/MacOS/Chromium`,
    ]);
  }
  if (platform === 'win32') {
    return [env.PROGRAMFILES, env['PROGRAMFILES(X86)'], env.LOCALAPPDATA]
      .filter((folder) => folder !== undefined)
      .flatMap((folder) => [
        `${folder}\\Google\\Chrome\\Application\\chrome.exe`,
        `${folder}\\Chromium\\Application\\chrome.exe`,
      ]);
  }
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const onPath = commandNames.flatMap((name) => folders.map((folder) => join(folder, name)));
  const usual = ['/opt/google/chrome/chrome', '/usr/bin/chromium', '/usr/lib/chromium/chromium', '/snap/bin/chromium'];
  return [...new Set([...onPath, ...usual])];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export const thisMachine: Machine = { platform: process.platform, env: process.env, isExecutable };

/** One way of getting a browser. `find` resolves to executables to try, best first; empty where there are none; throws where the way failed. */
export interface BrowserSource {
  readonly name: string;
  readonly find: () => Promise<readonly string[]>;
}

/**
 * The first executable that passes `probe`, asking the sources in order. What failed is remembered for the error, and the next is tried.
 *
 * @param probe resolves to undefined where the browser starts, else to the reason why it does not.
 * @throws {@link BrowserMissingError}
 */
export async function firstBrowser(
  sources: readonly BrowserSource[],
  probe: (path: string) => Promise<string | undefined>,
): Promise<string> {
  const attempts: string[] = [];
  for (const source of sources) {
    let paths: readonly string[] = [];
    try {
      paths = await source.find();
      if (paths.length === 0) attempts.push(`${source.name}: none`);
    } catch (error) {
      attempts.push(`${source.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
    for (const path of paths) {
      const reason = await probe(path);
      if (reason === undefined) return path;
      attempts.push(`${source.name}: ${path} does not start: ${reason}`);
    }
  }
  throw new BrowserMissingError(attempts);
}

/** Starts the executable with `--version`: finds stubs and missing shared libraries. Chrome answers that option on Linux only. */
async function probe(path: string): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  try {
    await promisify(execFile)(path, ['--version'], { timeout: 30_000 });
    return undefined;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return text.trim().split('\n').slice(-1).join('');
  }
}

function notice(text: string): void {
  process.stderr.write(`fullpose: ${text}\n`);
}

/** Runs an installer with its output on our stderr (stdout stays for results); killed where it is silent for `stallTimeoutMs`. */
export function runInstaller(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  stallTimeoutMs = 45_000,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let last = '';
    const kill = () => child.kill('SIGKILL');
    let timer = setTimeout(kill, stallTimeoutMs);
    const onData = (chunk: Buffer) => {
      clearTimeout(timer);
      timer = setTimeout(kill, stallTimeoutMs);
      last = chunk.toString().trim().split('\n').at(-1) ?? last;
      process.stderr.write(chunk);
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const outcome = signal === null ? `exit code ${code}` : `silent for ${stallTimeoutMs / 1000} s`;
      if (code === 0) resolve();
      else reject(new Error(`${[command, ...args].join(' ')}: ${outcome}${last === '' ? '' : ` (${last})`}`));
    });
  });
}

/** The Chrome in Puppeteer's own cache, if it is there. */
async function cachedChrome(): Promise<readonly string[]> {
  const { default: puppeteer } = await import('puppeteer');
  const path = await puppeteer.executablePath();
  return isExecutable(path) ? [path] : [];
}

/** Folder and version of Puppeteer's Chrome, from the path at which Puppeteer expects it: `<cacheDir>/chrome/<platform>-<buildId>/...`. */
export function puppeteerChrome(path: string): { readonly cacheDir: string; readonly buildId: string } {
  const match = /^(.*)[\\/]chrome[\\/][a-z0-9_]+-([0-9.]+)[\\/]/.exec(path);
  if (match?.[1] === undefined || match[2] === undefined)
    throw new Error(`Puppeteer expects its Chrome at "${path}"; cannot tell the version`);
  return { cacheDir: match[1], buildId: match[2] };
}

/** Downloads the Chrome that this version of Puppeteer was made for, into Puppeteer's cache. Offline it fails at the first look-up. */
async function downloadChrome(): Promise<readonly string[]> {
  const { default: puppeteer } = await import('puppeteer');
  const { Browser, install } = await import('@puppeteer/browsers');
  const { cacheDir, buildId } = puppeteerChrome(await puppeteer.executablePath());
  notice(`no browser found; downloading Chrome ${buildId} ...`);
  let reported = 0;
  const downloadProgressCallback = (bytes: number, total: number) => {
    const percent = Math.floor((bytes / total) * 10) * 10;
    if (percent > reported) notice(`Chrome ${buildId}: ${percent}% of ${Math.round(total / 1e6)} MB`);
    reported = Math.max(reported, percent);
  };
  const installed = await install({ browser: Browser.CHROME, buildId, cacheDir, downloadProgressCallback });
  return [installed.executablePath];
}

/** Installs Debian's chromium, where this is Debian (or a relative) and we are root. */
async function installWithApt(): Promise<readonly string[]> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !isExecutable('/usr/bin/apt-get')) return [];
  notice('installing chromium with apt-get ...');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await runInstaller('apt-get', ['update', '-q'], env);
  await runInstaller('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'chromium'], env);
  return installedCandidates(thisMachine).filter(isExecutable);
}

/** Every way of getting a browser, in the order in which they are tried. */
export const browserSources: readonly BrowserSource[] = [
  {
    name: 'an installed Chrome or Chromium',
    find: async () => installedCandidates(thisMachine).filter(isExecutable),
  },
  { name: "Puppeteer's cache", find: cachedChrome },
  { name: "Puppeteer's download", find: downloadChrome },
  { name: 'apt-get as root', find: installWithApt },
];

/**
 * Path of a browser for this machine; gets one where none is installed.
 *
 * `PUPPETEER_EXECUTABLE_PATH` is taken as it stands: the caller meant that one, so no other is tried.
 *
 * @throws Error where `PUPPETEER_EXECUTABLE_PATH` names something that is not executable.
 * @throws {@link BrowserMissingError}
 */
export async function findBrowser(
  machine: Machine = thisMachine,
  sources: readonly BrowserSource[] = browserSources,
): Promise<string> {
  const named = machine.env.PUPPETEER_EXECUTABLE_PATH;
  if (named) {
    if (machine.isExecutable(named)) return named;
    throw new Error(`PUPPETEER_EXECUTABLE_PATH is "${named}", which is not an executable file`);
  }
  return firstBrowser(sources, probe);
}

/** A busy machine may take its time. */
const startTimeoutMs = 120_000;

export interface LaunchOptions {
  /** Longest single call into the browser, in milliseconds; 0 for no limit. Default: 0, the caller's own limits apply. */
  readonly protocolTimeout?: number;
  /** Added to the command line. */
  readonly flags?: readonly string[];
}

/** Finds a browser and starts it headless, with WebGPU. The caller closes it. It does not take over Ctrl-C: the caller decides what ends. */
export async function launchBrowser(options: LaunchOptions = {}): Promise<Browser> {
  const executablePath = await findBrowser();
  const { default: puppeteer } = await import('puppeteer');
  return puppeteer.launch({
    executablePath,
    headless: true,
    args: [...browserFlags(gpuModeFrom(thisMachine), process.getuid?.() === 0), ...(options.flags ?? [])],
    timeout: startTimeoutMs,
    protocolTimeout: options.protocolTimeout ?? 0,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
}

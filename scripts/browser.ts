import { execFile, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { InstallOptions } from '@puppeteer/browsers';
import type { Browser } from 'puppeteer';

/**
 * The browsers that pages of this repository run in: two engines, two WGSL compilers (Tint, naga), two implementations
 * (Dawn, wgpu).
 */
export const browserNames = ['chromium', 'firefox'] as const;
export type BrowserName = (typeof browserNames)[number];

/** `text` as a browser's name. @param where what it was given by: "--browser" @throws Error */
export function browserNamed(text: string, where: string): BrowserName {
  const name = browserNames.find((known) => known === text);
  if (name === undefined) throw new Error(`${where} is "${text}"; wanted one of ${browserNames.join(', ')}`);
  return name;
}

/** The browser asked for by `FULLPOSE_BROWSER`; Chromium without it. */
export function browserFrom(machine: Pick<Machine, 'env'>): BrowserName {
  return browserNamed(machine.env.FULLPOSE_BROWSER ?? 'chromium', 'FULLPOSE_BROWSER');
}

/**
 * Chromium's flags for WebGPU. On a machine without a GPU they select SwiftShader, for WebGPU and for page compositing
 * alike; with fewer of them compute still works but canvases and video frames do not.
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

/**
 * `software` is SwiftShader in Chromium and lavapipe in Firefox, the same arithmetic on every machine; `hardware` is
 * whatever GPU the browser finds.
 */
export const gpuModes = ['software', 'hardware'] as const;
export type GpuMode = (typeof gpuModes)[number];

/**
 * The GPU mode asked for by `FULLPOSE_GPU`; without it software on Linux (servers, containers) and hardware elsewhere.
 */
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

/** Firefox's preferences: WebGPU is off by default on Linux, and adapters in software are on its block list. */
const firefoxPreferences: Readonly<Record<string, boolean | number | string>> = {
  'dom.webgpu.enabled': true,
  'dom.webgpu.workers.enabled': true,
  'gfx.webgpu.ignore-blocklist': true,
};

/** No name but the page server's is resolved. */
const offlineFlag = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1';

/** A proxy that is not there, for all but the loopback interface. */
const offlinePreferences: typeof firefoxPreferences = {
  'network.proxy.type': 1,
  'network.proxy.http': '127.0.0.1',
  'network.proxy.http_port': 1,
  'network.proxy.ssl': '127.0.0.1',
  'network.proxy.ssl_port': 1,
  'network.proxy.no_proxies_on': '127.0.0.1',
};

/** Where Vulkan's loader looks for drivers. */
export const vulkanFolders = ['/usr/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d', '/etc/vulkan/icd.d'] as const;

/** Path of the first manifest in `folders` that has such a name. */
export function findIcd(folders: readonly string[], file: RegExp): string | undefined {
  for (const folder of folders.filter(existsSync)) {
    const found = readdirSync(folder).find((entry) => file.test(entry));
    if (found !== undefined) return join(folder, found);
  }
  return undefined;
}

/** The manifest of Mesa's Vulkan driver in software. */
export const lavapipeManifest = /^lvp_icd[\w.]*\.json$/;

/**
 * Environment of a Firefox: in software the loader is shown lavapipe alone, or it would take a GPU where there is one.
 */
function firefoxEnvironment(mode: GpuMode): NodeJS.ProcessEnv {
  const icd = mode === 'software' ? findIcd(vulkanFolders, lavapipeManifest) : undefined;
  return { ...process.env, ...(icd !== undefined && { VK_ICD_FILENAMES: icd, VK_DRIVER_FILES: icd }) };
}

/** What messages say of a browser. */
const titles: Readonly<Record<BrowserName, string>> = { chromium: 'Chrome or Chromium', firefox: 'Firefox' };

/** The environment variable that names a browser's executable. */
export const executableVariables: Readonly<Record<BrowserName, string>> = {
  chromium: 'PUPPETEER_EXECUTABLE_PATH',
  firefox: 'FIREFOX_BIN',
};

const remedies: Readonly<Record<BrowserName, readonly string[]>> = {
  chromium: [
    'install Google Chrome or Chromium (Debian, Ubuntu: apt-get install chromium);',
    'npx puppeteer browsers install chrome;',
    'set PUPPETEER_EXECUTABLE_PATH to the executable of a Chrome or Chromium, version 116 or newer.',
  ],
  firefox: [
    'install Firefox (Debian: apt-get install firefox-esr mesa-vulkan-drivers);',
    'npx puppeteer browsers install firefox;',
    'set FIREFOX_BIN to the executable of a Firefox, version 141 or newer.',
  ],
};

/** No browser was found and none could be fetched. `attempts` says what was tried, in order. */
export class BrowserMissingError extends Error {
  readonly code = 'browser-missing';
  readonly attempts: readonly string[];

  constructor(browser: BrowserName, attempts: readonly string[]) {
    super(
      `No ${titles[browser]} to run WebGPU in. Tried:\n${attempts.map((attempt) => `  - ${attempt}`).join('\n')}\n` +
        `Any of these helps:\n${remedies[browser].map((remedy, i) => `  ${i + 1}. ${remedy}`).join('\n')}`,
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

const commandNames: Readonly<Record<BrowserName, readonly string[]>> = {
  chromium: ['google-chrome-stable', 'google-chrome', 'chromium', 'chromium-browser', 'chrome'],
  firefox: ['firefox', 'firefox-esr'],
};

/** Below an applications' folder of macOS. */
const macApplications: Readonly<Record<BrowserName, readonly string[]>> = {
  chromium: ['Google Chrome.app/Contents/MacOS/Google Chrome', 'Chromium.app/Contents/MacOS/Chromium'],
  firefox: ['Firefox.app/Contents/MacOS/firefox'],
};

/** Below a programs' folder of Windows. */
const windowsPrograms: Readonly<Record<BrowserName, readonly string[]>> = {
  chromium: ['Google\\Chrome\\Application\\chrome.exe', 'Chromium\\Application\\chrome.exe'],
  firefox: ['Mozilla Firefox\\firefox.exe'],
};

/** Besides what is on the PATH. */
const linuxPlaces: Readonly<Record<BrowserName, readonly string[]>> = {
  chromium: ['/opt/google/chrome/chrome', '/usr/bin/chromium', '/usr/lib/chromium/chromium', '/snap/bin/chromium'],
  firefox: [
    '/usr/bin/firefox-esr',
    '/usr/lib/firefox-esr/firefox-esr',
    '/usr/lib/firefox/firefox',
    '/snap/bin/firefox',
  ],
};

/** The usual places of an installed browser, most wanted first. None of them need exist. */
export function installedCandidates(
  browser: BrowserName,
  { platform, env }: Pick<Machine, 'platform' | 'env'>,
): readonly string[] {
  if (platform === 'darwin') {
    const folders = ['/Applications', ...(env.HOME ? [`${env.HOME}/Applications`] : [])];
    return folders.flatMap((folder) => macApplications[browser].map((path) => `${folder}/${path}`));
  }
  if (platform === 'win32') {
    return [env.PROGRAMFILES, env['PROGRAMFILES(X86)'], env.LOCALAPPDATA]
      .filter((folder) => folder !== undefined)
      .flatMap((folder) => windowsPrograms[browser].map((path) => `${folder}\\${path}`));
  }
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const onPath = commandNames[browser].flatMap((name) => folders.map((folder) => join(folder, name)));
  return [...new Set([...onPath, ...linuxPlaces[browser]])];
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

/**
 * One way of getting a browser. `find` resolves to executables to try, best first; empty where there are none; throws
 * where the way failed.
 */
export interface BrowserSource {
  readonly name: string;
  readonly find: () => Promise<readonly string[]>;
}

/**
 * The first executable that passes `probe`, asking the sources in order. What failed is remembered for the error, and
 * the next is tried.
 *
 * @param probe resolves to undefined where the browser starts, else to the reason why it does not.
 * @throws {@link BrowserMissingError}
 */
export async function firstBrowser(
  browser: BrowserName,
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
  throw new BrowserMissingError(browser, attempts);
}

/**
 * Starts the executable with `--version`: finds stubs and missing shared libraries. Browsers answer that option on
 * Linux only.
 */
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

/**
 * Runs an installer with its output on our stderr (stdout stays for results); killed where it is silent for
 * `stallTimeoutMs`.
 */
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

/** What Puppeteer calls a browser. */
const puppeteerNames = { chromium: 'chrome', firefox: 'firefox' } as const satisfies Record<BrowserName, string>;

/** Where Puppeteer expects its own browser. */
async function puppeteerPath(browser: BrowserName): Promise<string> {
  const { default: puppeteer } = await import('puppeteer');
  return puppeteer.executablePath({ browser: puppeteerNames[browser] });
}

/** The browser in Puppeteer's own cache, if it is there. */
async function cachedBrowser(browser: BrowserName): Promise<readonly string[]> {
  const path = await puppeteerPath(browser);
  return isExecutable(path) ? [path] : [];
}

/**
 * Folder and version of Puppeteer's browser, from the path at which Puppeteer expects it:
 * `<cacheDir>/<browser>/<platform>-<buildId>/...`.
 */
export function puppeteerBrowser(
  browser: BrowserName,
  path: string,
): { readonly cacheDir: string; readonly buildId: string } {
  const match = new RegExp(`^(.*)[\\\\/]${puppeteerNames[browser]}[\\\\/][a-z0-9_]+-([a-z0-9._]+)[\\\\/]`).exec(path);
  if (match?.[1] === undefined || match[2] === undefined)
    throw new Error(`Puppeteer expects its ${titles[browser]} at "${path}"; cannot tell the version`);
  return { cacheDir: match[1], buildId: match[2] };
}

/**
 * Downloads the browser that this version of Puppeteer was made for, into Puppeteer's cache. Offline it fails at the
 * first look-up.
 */
async function downloadBrowser(browser: BrowserName): Promise<readonly string[]> {
  const { install } = await import('@puppeteer/browsers');
  const { cacheDir, buildId } = puppeteerBrowser(browser, await puppeteerPath(browser));
  const title = `${puppeteerNames[browser]} ${buildId}`;
  notice(`no browser found; downloading ${title} ...`);
  let reported = 0;
  const downloadProgressCallback = (bytes: number, total: number) => {
    const percent = Math.floor((bytes / total) * 10) * 10;
    if (percent > reported) notice(`${title}: ${percent}% of ${Math.round(total / 1e6)} MB`);
    reported = Math.max(reported, percent);
  };
  const wanted = { browser: puppeteerNames[browser] as InstallOptions['browser'], buildId, cacheDir };
  const installed = await install({ ...wanted, downloadProgressCallback });
  return [installed.executablePath];
}

/** Debian's packages. Firefox brings no driver in software; Chromium has SwiftShader. */
const debianPackages: Readonly<Record<BrowserName, readonly string[]>> = {
  chromium: ['chromium'],
  firefox: ['firefox-esr', 'mesa-vulkan-drivers'],
};

/** Whether packages can be installed: this is Debian (or a relative) and we are root. */
function hasApt(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0 && isExecutable('/usr/bin/apt-get');
}

async function aptInstall(packages: readonly string[]): Promise<void> {
  notice(`installing ${packages.join(', ')} with apt-get ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Another installation may hold the lock: a test runner asks for both browsers at once.
  const wait = ['-q', '-o', 'DPkg::Lock::Timeout=300'];
  await runInstaller('apt-get', ['update', ...wait], env);
  await runInstaller('apt-get', ['install', '-y', ...wait, '--no-install-recommends', ...packages], env, 330_000);
}

async function installWithApt(browser: BrowserName): Promise<readonly string[]> {
  if (!hasApt()) return [];
  await aptInstall(debianPackages[browser]);
  return installedCandidates(browser, thisMachine).filter(isExecutable);
}

/** Every way of getting a browser, in the order in which they are tried. */
export function browserSources(browser: BrowserName): readonly BrowserSource[] {
  const download: BrowserSource = { name: "Puppeteer's download", find: () => downloadBrowser(browser) };
  const apt: BrowserSource = { name: 'apt-get as root', find: () => installWithApt(browser) };
  return [
    {
      name: `an installed ${titles[browser]}`,
      find: async () => installedCandidates(browser, thisMachine).filter(isExecutable),
    },
    { name: "Puppeteer's cache", find: () => cachedBrowser(browser) },
    // A Firefox that is only unpacked lacks libraries of a desktop, and a driver: where Debian's can be had it is the
    // better one.
    ...(browser === 'firefox' ? [apt, download] : [download, apt]),
  ];
}

/**
 * Path of a browser for this machine; gets one where none is installed.
 *
 * The browser's variable (`PUPPETEER_EXECUTABLE_PATH`, `FIREFOX_BIN`) is taken as it stands: the caller meant that one,
 * so no other is tried.
 *
 * @throws Error where the variable names something that is not executable.
 * @throws {@link BrowserMissingError}
 */
export async function findBrowser(
  browser: BrowserName,
  machine: Machine = thisMachine,
  sources: readonly BrowserSource[] = browserSources(browser),
): Promise<string> {
  const variable = executableVariables[browser];
  const named = machine.env[variable];
  if (named) {
    if (machine.isExecutable(named)) return named;
    throw new Error(`${variable} is "${named}", which is not an executable file`);
  }
  return firstBrowser(browser, sources, probe);
}

/** Firefox takes the machine's Vulkan drivers: where there is none at all, Mesa's are installed if they can be. */
async function ensureVulkan(): Promise<void> {
  if (!hasApt() || findIcd(vulkanFolders, /\.json$/) !== undefined) return;
  await aptInstall(['mesa-vulkan-drivers']);
}

/** A busy machine may take its time. */
const startTimeoutMs = 120_000;

export interface LaunchOptions {
  /** Default: {@link browserFrom}. */
  readonly browser?: BrowserName;
  /**
   * Longest single call into the browser, in milliseconds; 0 for no limit. Default: 0, the caller's own limits apply.
   */
  readonly protocolTimeout?: number;
  /** Added to Chromium's command line. */
  readonly flags?: readonly string[];
  /** No host but this machine's loopback interface is reached. */
  readonly offline?: boolean;
}

/**
 * Finds a browser and starts it headless, with WebGPU. The caller closes it. It does not take over Ctrl-C: the caller
 * decides what ends.
 */
export async function launchBrowser(options: LaunchOptions = {}): Promise<Browser> {
  const { browser = browserFrom(thisMachine), flags = [], offline = false, protocolTimeout = 0 } = options;
  const executablePath = await findBrowser(browser);
  const mode = gpuModeFrom(thisMachine);
  const { default: puppeteer } = await import('puppeteer');
  const common = {
    executablePath,
    headless: true,
    timeout: startTimeoutMs,
    protocolTimeout,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  } as const;
  if (browser === 'chromium') {
    const asRoot = process.getuid?.() === 0;
    return puppeteer.launch({
      ...common,
      args: [...browserFlags(mode, asRoot), ...(offline ? [offlineFlag] : []), ...flags],
    });
  }
  await ensureVulkan();
  return puppeteer.launch({
    ...common,
    browser: 'firefox',
    extraPrefsFirefox: { ...firefoxPreferences, ...(offline && offlinePreferences) },
    env: firefoxEnvironment(mode),
  });
}

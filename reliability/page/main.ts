/** The page on which the checks run. It offers `window.fullposeReliability` and shows nothing. */
import { loadFile } from '../../tests/browser/suite.js';
import { shippedWeights } from '../../tests/cascade/shipped-weights.js';
import { smallWeightBuffers } from '../../tests/cascade/small-weights.js';
import { type AdapterResult, measureAdapters, SAMPLE } from '../adapters.js';
import { checkDownloads } from '../downloads.js';
import { fuzzInputs } from '../inputs.js';
import { cycleAligners, floodAligner, type LifecycleResult, Soak, type SoakState } from '../load.js';
import { crashDevices, type LossResult, loseDevices } from '../losses.js';
import { fuzzParsers } from '../parsers.js';
import type { FuzzCounts } from '../report.js';
import { type RepeatResult, repeatPicture } from '../truth.js';

export interface FuzzResult {
  readonly counts: FuzzCounts;
  readonly failures: readonly string[];
}

/** What Node asks of the page. Everything here survives JSON. */
export interface ReliabilityPage {
  /** Errors that reached nobody since the page began. */
  uncaught(): readonly string[];
  /** What the page is doing, for a person. */
  progress(): string;
  fuzzParsers(cases: number, seed: number): Promise<FuzzResult>;
  fuzzInputs(cases: number, seed: number): Promise<FuzzResult>;
  startSoak(weights: 'small' | 'shipped'): Promise<SoakState>;
  soak(frames: number): Promise<SoakState>;
  endSoak(): void;
  flood(): Promise<readonly string[]>;
  cycle(cycles: number): Promise<LifecycleResult>;
  loseDevices(count: number): Promise<LossResult>;
  /** The same by the death of the browser's GPU process, `window.crashGpuProcess`. */
  crashDevices(count: number): Promise<LossResult>;
  repeat(repeats: number): Promise<RepeatResult>;
  /** Decodes the sample and measures this browser's adapter with it. */
  measureAdapters(): Promise<{ readonly results: readonly AdapterResult[]; readonly sample: SampleBytes }>;
  checkDownloads(): Promise<FuzzResult>;
}

/** The sample's pixels, as JSON holds them. */
export interface SampleBytes {
  readonly width: number;
  readonly height: number;
  readonly bytes: readonly number[];
}

declare global {
  interface Window {
    fullposeReliability?: ReliabilityPage;
    /** Node's, on the page of the crashes. */
    crashGpuProcess?: () => Promise<void>;
  }
}

const uncaught: string[] = [];
addEventListener('error', ({ message }) => uncaught.push(message));
addEventListener('unhandledrejection', ({ reason }) => uncaught.push(String(reason)));

let progress = '';
const report = (what: string) => (done: number) => {
  progress = `${what} ${done}`;
};

async function decodeSample(): Promise<ImageData> {
  const { path, x, y, width, height } = SAMPLE;
  const bitmap = await createImageBitmap(new Blob([await loadFile(path)]), x, y, width, height);
  const context = new OffscreenCanvas(width, height).getContext('2d');
  if (context === null) throw new Error('no 2D canvas');
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}

let soak: Soak | undefined;

function running(): Soak {
  if (soak === undefined) throw new Error('no soak was started');
  return soak;
}

window.fullposeReliability = {
  uncaught: () => uncaught,
  progress: () => progress,
  async fuzzParsers(cases, seed) {
    const { counts, failures } = await fuzzParsers(cases, seed, report('damaged files'));
    return { counts, failures };
  },
  async fuzzInputs(cases, seed) {
    const { counts, failures } = await fuzzInputs(cases, seed, report('bad input'));
    return { counts, failures };
  },
  async startSoak(weights) {
    soak = await Soak.create(weights === 'small' ? smallWeightBuffers() : await shippedWeights(loadFile));
    return soak.state;
  },
  async soak(frames) {
    await running().run(frames);
    return running().state;
  },
  endSoak() {
    running().destroy();
    soak = undefined;
  },
  flood: floodAligner,
  cycle: (cycles) => cycleAligners(cycles, report('cycles')),
  loseDevices: (count) => loseDevices(count, report('losses')),
  crashDevices: (count) => crashDevices(count, () => void window.crashGpuProcess?.(), report('crashes')),
  repeat: (repeats) => repeatPicture(repeats, report('repeats')),
  async measureAdapters() {
    const { width, height, data } = await decodeSample();
    const results = await measureAdapters(loadFile, { width, height, data });
    return { results, sample: { width, height, bytes: [...data] } };
  },
  async checkDownloads() {
    const { counts, failures } = await checkDownloads(report('downloads'));
    return { counts, failures };
  },
};

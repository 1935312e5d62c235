/**
 * Variants of the network's kernels, as an aligner uses and remembers them. What was measured holds for one adapter and
 * one network, and is dropped where either is another.
 */
import type { Gpu } from '../engine/device.js';
import type { NetworkGraph } from '../engine/network.js';
import { chooseVariants, fitsGraph, measureVariants, type VariantsByLayer } from '../engine/tuning.js';

/** Plain JSON: keep it where you like and give it to the next `FaceAligner.create` as `tuning`. */
export interface Tuning {
  /** Version of this format; another is not used. */
  readonly format: typeof FORMAT;
  /**
   * What was measured on: the adapter's names, where the browser gives any, and a hash of the device's features and
   * limits.
   */
  readonly adapter: string;
  /** What was measured: a hash of the network's layers. */
  readonly network: string;
  /** The fastest variant by layer, of those that have a choice. */
  readonly variants: Readonly<Record<string, string>>;
}

/** Where measurements are remembered: `localStorage` is one. */
export interface TuningStorage {
  /** The text that was stored under `key`, or null. */
  getItem(key: string): string | null;
  /** Stores `value` under `key`. What it throws is ignored: nothing is remembered then. */
  setItem(key: string, value: string): void;
}

/**
 * Where the choice of variants comes from. `remembered`: from the storage, where an earlier `measure` left one for this
 * adapter and these weights, else from the shapes. `measure`: the same, but where there is none it measures, which
 * takes about a second, and remembers. `shapes`: nothing is read or measured. A `Tuning`: that one, unless it is of
 * another adapter or other weights.
 */
export type TuningMode = (typeof TUNING_MODES)[number] | Tuning;

export const TUNING_MODES: readonly string[] & readonly ['remembered', 'measure', 'shapes'] = [
  'remembered',
  'measure',
  'shapes',
];

/** How an aligner chooses among the variants of its kernels. */
export interface TuningOptions {
  /** Default: `remembered`. */
  readonly tuning?: TuningMode;
  /** Default: `localStorage` where there is one, else none. */
  readonly tuningStorage?: TuningStorage;
}

const FORMAT = 'fullpose-tuning/1';
const KEY = 'fullpose.tuning';

/** The variants to use, as a `Tuning`, whether measured or not. @throws as `measureVariants` */
export async function findTuning(gpu: Gpu, graph: NetworkGraph, options: TuningOptions): Promise<Tuning> {
  const { tuning = 'remembered', tuningStorage = defaultStorage() } = options;
  const adapter = adapterOf(gpu);
  const from = (variants: VariantsByLayer): Tuning => ({
    format: FORMAT,
    adapter,
    network: hash(JSON.stringify(graph.nodes)),
    variants: Object.fromEntries(variants),
  });
  const shapes = from(chooseVariants(gpu, graph));
  const fits = (candidate: unknown): candidate is Tuning => isTuningFor(candidate, shapes, gpu, graph);
  if (typeof tuning !== 'string') return fits(tuning) ? tuning : shapes;
  if (tuning === 'shapes') return shapes;
  const key = `${KEY} ${shapes.network} ${hash(adapter)}`;
  const remembered = recall(tuningStorage, key);
  if (fits(remembered)) return remembered;
  if (tuning === 'remembered') return shapes;
  const measured = from(await measureVariants(gpu, graph));
  remember(tuningStorage, key, measured);
  return measured;
}

/** What tells adapters apart: names, which some browsers give none of, and a hash of features and limits. */
function adapterOf({ adapter: { vendor, architecture, description }, features, limits }: Gpu): string {
  const granted: unknown[] = [...features].sort();
  // Of the prototype: `Object.keys` finds none.
  for (const name in limits) granted.push(name, limits[name as keyof GPUSupportedLimits]);
  return [vendor, architecture, description, hash(granted.join())].filter((part) => part !== '').join(' ');
}

export function variantsOf({ variants }: Tuning): VariantsByLayer {
  return new Map(Object.entries(variants));
}

/** Whether it was made for what `shapes` was made for, and names what can be chosen. */
function isTuningFor(candidate: unknown, shapes: Tuning, gpu: Gpu, graph: NetworkGraph): candidate is Tuning {
  if (typeof candidate !== 'object' || candidate === null) return false;
  const { format, adapter, network, variants }: Partial<Tuning> = candidate;
  if (format !== FORMAT || adapter !== shapes.adapter || network !== shapes.network) return false;
  return typeof variants === 'object' && variants !== null && fitsGraph(gpu, graph, new Map(Object.entries(variants)));
}

/** Reading the property alone throws where a page may not store anything. */
function defaultStorage(): TuningStorage | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}

/** A storage that fails, or holds something else, is one that remembers nothing. */
function recall(storage: TuningStorage | undefined, key: string): unknown {
  try {
    return JSON.parse(storage?.getItem(key) ?? 'null');
  } catch {
    return undefined;
  }
}

function remember(storage: TuningStorage | undefined, key: string, tuning: Tuning): void {
  try {
    storage?.setItem(key, JSON.stringify(tuning));
  } catch {
    // Full or forbidden: the next page measures again.
  }
}

/** FNV-1a of UTF-16 units, 32 bits: enough to tell a few networks apart. */
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return (value >>> 0).toString(16).padStart(8, '0');
}

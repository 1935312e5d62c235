/** onnxruntime-web on Net^0 exported to ONNX, on its WebGPU and its WASM execution provider. */
import type * as OnnxRuntime from 'onnxruntime-web';
import { onnxruntimeBase } from '../../pages/routes.js';
import { checkUpdate, type NetworkCase, toChannelsFirst } from '../network.js';
import type { Check, Strategy } from '../strategies.js';

type Provider = 'webgpu' | 'wasm';

/** The library's own bundle for each provider, and the name of the strategy. */
const PROVIDERS = {
  webgpu: { name: 'onnxruntime-web (WebGPU)', bundle: 'ort.webgpu.bundle.min.mjs' },
  wasm: { name: 'onnxruntime-web (WASM)', bundle: 'ort.wasm.bundle.min.mjs' },
} as const;

export const ONNXRUNTIME_WEBGPU = PROVIDERS.webgpu.name;

export class OnnxRuntimeNetwork implements Strategy {
  readonly name: string;
  readonly group = 'network';
  readonly #provider: Provider;
  readonly #case: NetworkCase;
  /** Channels first, as ONNX wants them; made outside of what is timed. */
  readonly #stem: Float32Array<ArrayBuffer>;
  readonly #paf: Float32Array<ArrayBuffer>;
  #runtime: typeof OnnxRuntime | undefined;
  #session: OnnxRuntime.InferenceSession | undefined;

  constructor(provider: Provider, networkCase: NetworkCase) {
    this.#provider = provider;
    this.name = PROVIDERS[provider].name;
    this.#case = networkCase;
    this.#stem = toChannelsFirst(networkCase.stem, 8);
    this.#paf = toChannelsFirst(networkCase.paf, networkCase.network.pac.outChannels);
  }

  async prepare(): Promise<void> {
    const base = new URL(`..${onnxruntimeBase}`, document.baseURI).href;
    const runtime: typeof OnnxRuntime = await import(/* @vite-ignore */ `${base}${PROVIDERS[this.#provider].bundle}`);
    runtime.env.wasm.wasmPaths = base;
    runtime.env.wasm.numThreads = threads();
    this.#runtime = runtime;
    this.#session = await runtime.InferenceSession.create(new URL('models/net0.onnx', document.baseURI).href, {
      executionProviders: [this.#provider],
    });
  }

  async check(): Promise<Check> {
    return checkUpdate(await this.#run(), this.#case);
  }

  async run(): Promise<number> {
    const start = performance.now();
    await this.#run();
    return performance.now() - start;
  }

  async #run(): Promise<Float32Array> {
    const [runtime, session] = [this.#runtime, this.#session];
    if (runtime === undefined || session === undefined) throw new Error(`${this.name} was not prepared`);
    const { cropSize, pac } = this.#case.network;
    const { update } = await session.run({
      stem: new runtime.Tensor('float32', this.#stem, [1, 8, cropSize, cropSize]),
      paf: new runtime.Tensor('float32', this.#paf, [1, pac.outChannels, pac.rows, pac.columns]),
    });
    const data = await update?.getData();
    if (!(data instanceof Float32Array)) throw new Error(`${this.name} gave no 'update' of floats`);
    return data;
  }
}

/** Threads of a WASM backend: as many as the machine has, up to four, where pages may have any. */
export function threads(): number {
  return globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
}

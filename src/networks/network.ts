/** `Network`: a network of one's own in two calls. */
import { Turns } from '../calls/turns.js';
import { Gpu } from '../engine/device.js';
import { InputError } from '../engine/errors.js';
import { expectNumbers, expectOptions, type Names, refuse } from '../engine/expect.js';
import { type DType, NetworkWeights, NetworkWorkspace, packNetworkWeights, recordNetwork } from '../engine/network.js';
import { type Plan, PlanBuilder } from '../engine/plan.js';
import { StagingRing } from '../engine/readback.js';
import { parseSafetensors, type SafeTensors } from '../engine/safetensors.js';
import { list } from '../engine/show.js';
import {
  createTensor,
  type FeatureShape,
  packTensor,
  type Tensor,
  tensorBytes,
  unpackTensor,
} from '../engine/tensor.js';
import { checkDownloadOptions, type DownloadOptions, type WeightUrls } from '../files/download.js';
import type { Frame, PictureSource, PreparedPicture } from '../pictures/frame.js';
import { fetchNetwork, type NetworkDescription, parseDescription } from './description.js';
import { toOhwi, type WeightsLayout } from './layout.js';
import { type PictureSettings, PictureTensor } from './picture.js';

/** How a network is held and run. */
export interface NetworkOptions {
  /** The caller's device, which is never destroyed here. Without it the network makes one of its own. */
  readonly device?: GPUDevice;
  /** Which adapter, where the network makes a device of its own. */
  readonly powerPreference?: GPUPowerPreference;
  /** Of the weights; default what their metadata `layout` says. See `toOhwi`. */
  readonly layout?: WeightsLayout;
  /** How weights are held on the GPU: `f16` where that changes none of them (default `f32`). */
  readonly dtype?: DType;
}

const NAMES: Names<NetworkOptions> = { device: 1, powerPreference: 1, layout: 1, dtype: 1 };

/**
 * One input: the values of its shape, dense in the order height, width, channel, or, where it has three channels, a
 * picture.
 */
export type NetworkInput = Float32Array | PictureSource;

/** What `run` takes: the input of a network that has one, or all inputs by name. */
export type NetworkInputs = NetworkInput | Readonly<Record<string, NetworkInput>>;

/**
 * Any network of the engine's operators on WebGPU.
 *
 * ```ts
 * const network = await Network.load('/my-network/manifest.json');
 * const scores = await network.run(photo);
 * ```
 */
export class Network {
  /** Shapes of the inputs, by name. */
  readonly inputs: ReadonlyMap<string, FeatureShape>;
  /** Shapes of the outputs, by name; the last is that of `run`. */
  readonly outputs: ReadonlyMap<string, FeatureShape>;
  readonly #gpu: Gpu;
  readonly #plan: Plan;
  readonly #tensors: { readonly inputs: ReadonlyMap<string, Tensor>; readonly outputs: ReadonlyMap<string, Tensor> };
  readonly #picture: PictureSettings;
  readonly #pictures = new Map<string, Promise<PictureTensor>>();
  readonly #staging: StagingRing;
  readonly #turns = new Turns();

  /**
   * Fetches a network that `fullpose-convert` wrote, and prepares it. The files are checked and kept as the library's
   * own weights are.
   * @param from its manifest, or URLs of all files
   * @throws WeightsError naming the file, for what cannot be had or is damaged; as `create`.
   */
  static async load(from: string | URL | WeightUrls, options: NetworkOptions & DownloadOptions = {}): Promise<Network> {
    checkDownloadOptions(options, NAMES);
    const { onProgress, signal, cache, ...own } = options;
    const { description, weights } = await fetchNetwork(from, options);
    return Network.create(description, weights, own);
  }

  /**
   * Uploads weights and compiles all kernels; `run` then allocates nothing.
   * @param weights a safetensors file: `<layer>.weight`, `.bias`, `.slope`
   * @throws WeightsError, ShapeError for a description or weights that do not fit; WeightsError where the layout of
   * the weights is not known; WebGPUUnavailableError, LimitError, OutOfMemoryError, DeviceLostError,
   * KernelCompileError, InputError.
   */
  static async create(
    description: NetworkDescription,
    weights: ArrayBuffer | SafeTensors,
    options: NetworkOptions = {},
  ): Promise<Network> {
    expectOptions(options, NAMES);
    const { device, powerPreference, layout, dtype } = options;
    const { graph, picture } = parseDescription(description);
    const isParsed = typeof weights === 'object' && weights !== null && 'tensors' in weights;
    const file = isParsed ? weights : parseSafetensors(weights);
    const packed = packNetworkWeights(graph, toOhwi(graph, file, layout), 'ohwi', dtype);
    const gpu = await Gpu.create({ label: 'fullpose network', device, powerPreference });
    try {
      const { value, accepted } = gpu.watch("The network's buffers could not be made", () => {
        const tensorsOf = (shapes: ReadonlyMap<string, FeatureShape>) =>
          new Map([...shapes].map(([name, shape]) => [name, createTensor(gpu, name, shape)]));
        const [inputs, outputs] = [tensorsOf(graph.inputs), tensorsOf(graph.outputs)];
        const builder = new PlanBuilder(gpu, 'network');
        const output = outputs.get(graph.output.name)!;
        recordNetwork(builder, {
          graph,
          weights: new NetworkWeights(gpu, 'weights', packed),
          workspace: new NetworkWorkspace(gpu, 'workspace', graph),
          inputs: Object.fromEntries(inputs),
          output,
          outputs: Object.fromEntries(outputs),
        });
        const bytes = [...graph.outputs.values()].reduce((sum, shape) => sum + tensorBytes(shape), 0);
        return { builder, inputs, outputs, staging: new StagingRing(gpu, 'network.staging', bytes) };
      });
      await accepted;
      return new Network(gpu, await value.builder.build(), picture, value);
    } catch (error) {
      gpu.destroy();
      throw error;
    }
  }

  private constructor(
    gpu: Gpu,
    plan: Plan,
    picture: PictureSettings,
    parts: {
      readonly inputs: ReadonlyMap<string, Tensor>;
      readonly outputs: ReadonlyMap<string, Tensor>;
      readonly staging: StagingRing;
    },
  ) {
    const shapesOf = (tensors: ReadonlyMap<string, Tensor>) =>
      new Map([...tensors].map(([name, { shape }]) => [name, shape]));
    this.inputs = shapesOf(parts.inputs);
    this.outputs = shapesOf(parts.outputs);
    this.#gpu = gpu;
    this.#plan = plan;
    this.#picture = picture;
    this.#tensors = parts;
    this.#staging = parts.staging;
  }

  /** The device in use: the caller's, or the network's own. */
  get device(): GPUDevice {
    return this.#gpu.device;
  }

  /**
   * The last layer's result, dense in the order height, width, channel. Calls may overlap; they are served in order.
   * Do not change inputs before the promise resolves.
   * @throws InputError for what is no input; DeviceLostError; FullposeError `busy` where too many calls are
   * unfinished, `gpu-error` where the GPU refused a picture; OutOfMemoryError.
   */
  async run(inputs: NetworkInputs): Promise<Float32Array<ArrayBuffer>> {
    const results = await this.runAll(inputs);
    return [...results.values()].at(-1)!;
  }

  /** The results of all outputs, by name; the last layer's comes last. @throws as `run` */
  async runAll(inputs: NetworkInputs): Promise<ReadonlyMap<string, Float32Array<ArrayBuffer>>> {
    const turn = this.#turns.enter();
    const prepared: { readonly tensor: PictureTensor; readonly picture: PreparedPicture }[] = [];
    try {
      const [values, pictures] = this.#sort(inputs);
      await turn.next();
      for (const [name, source] of pictures) {
        const tensor = await this.#pictureTensor(name);
        prepared.push({ tensor, picture: await tensor.prepare(source) });
      }
      await turn.begin();
      this.#gpu.assertAlive();
      const frames: { readonly tensor: PictureTensor; readonly frame: Frame }[] = [];
      for (const { tensor, picture } of prepared) frames.push({ tensor, frame: await picture.upload() });
      const slot = await this.#staging.takeWhenFree();
      let accepted: Promise<void>;
      try {
        ({ accepted } = this.#gpu.watch('The network was refused', () => {
          const { queue } = this.#gpu.device;
          for (const [{ buffer, shape }, dense] of values) queue.writeBuffer(buffer, 0, packTensor(dense, shape));
          const encoder = this.#gpu.device.createCommandEncoder({ label: 'network' });
          const pass = encoder.beginComputePass({ label: 'network' });
          for (const { tensor, frame } of frames) tensor.place(frame).encode(pass);
          this.#plan.encode(pass);
          pass.end();
          let at = 0;
          for (const { buffer, shape } of this.#tensors.outputs.values()) {
            slot.copyFrom(encoder, buffer, 0, tensorBytes(shape), at);
            at += tensorBytes(shape);
          }
          queue.submit([encoder.finish()]);
        }));
      } catch (error) {
        slot.release();
        throw error;
      }
      turn.end();
      const [data] = await Promise.all([slot.read(), accepted, ...frames.map(({ frame }) => frame.accepted)]);
      let at = 0;
      const results = new Map<string, Float32Array<ArrayBuffer>>();
      for (const [name, shape] of this.outputs) {
        const floats = tensorBytes(shape) / 4;
        results.set(name, unpackTensor(new Float32Array(data, at, floats), shape.channels));
        at += floats * 4;
      }
      return results;
    } finally {
      for (const { picture } of prepared) picture.release();
      turn.leave();
    }
  }

  /** Frees everything made here. Calls in flight reject with DeviceLostError where the device is the network's own. */
  destroy(): void {
    for (const picture of this.#pictures.values()) picture.then((made) => made.destroy()).catch(() => {});
    this.#gpu.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** The inputs that are values, with their tensors, and those that are pictures. @throws InputError */
  #sort(given: NetworkInputs): [[Tensor, Float32Array][], [string, PictureSource][]] {
    const { inputs } = this.#tensors;
    const [first, ...others] = inputs.keys();
    const named = new Map<string, unknown>(
      others.length === 0 && first !== undefined ? [[first, given]] : Object.entries(Object(given)),
    );
    const values: [Tensor, Float32Array][] = [];
    const pictures: [string, PictureSource][] = [];
    for (const [name, tensor] of inputs) {
      const input = named.get(name);
      if (input === undefined)
        throw new InputError(`The input '${name}' is missing; the network has ${list(inputs.keys())}.`);
      const { height, width, channels } = tensor.shape;
      if (ArrayBuffer.isView(input) || Array.isArray(input)) {
        expectNumbers(`The values of '${name}'`, input as Float32Array, height * width * channels);
        values.push([tensor, input as Float32Array]);
      } else if (typeof input === 'object' && input !== null && channels === 3) {
        pictures.push([name, input as PictureSource]);
      } else {
        const picture = channels === 3 ? ', or a picture' : '';
        refuse(`The input '${name}'`, input, `a Float32Array of ${height} x ${width} x ${channels} values${picture}`);
      }
    }
    return [values, pictures];
  }

  /** Compiled when the first picture comes. */
  #pictureTensor(name: string): Promise<PictureTensor> {
    let made = this.#pictures.get(name);
    if (made === undefined) {
      made = PictureTensor.create(this.#gpu, this.#tensors.inputs.get(name)!, this.#picture);
      this.#pictures.set(name, made);
    }
    return made;
  }
}

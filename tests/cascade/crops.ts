/** Given crops in place of the crop pass. */
import type { Cascade, CascadePlan } from '../../src/cascade/cascade.js';
import type { CascadeWeights } from '../../src/cascade/weights.js';
import { readBuffer } from '../../src/engine/readback.js';
import { requireTensor, type SafeTensors } from '../../src/engine/safetensors.js';
import { packTensor, unpackTensor } from '../../src/engine/tensor.js';
import type { Crop } from '../../src/pictures/crop.js';
import { CROP_RECORD_BYTES, cropOfRecord, cropRecord, writeCropRecord } from '../../src/pictures/kernels/crop.js';

/**
 * Colours [n,size,size,3] in [0,1] as unorm16, r | g << 16, b, in a frame of four pixels of `frame`: what paf.wgsl
 * reads, and crop.wgsl writes but for the frame.
 */
export function packPixels(image: ArrayLike<number>, size: number, frame = 0): Uint32Array<ArrayBuffer> {
  const pitch = size + 8;
  const words = new Uint32Array((image.length / (3 * size * size)) * pitch * pitch * 2).fill(frame);
  for (let pixel = 0; pixel * 3 < image.length; pixel++) {
    const row = Math.floor(pixel / size);
    const at = ((Math.floor(row / size) * pitch + (row % size) + 4) * pitch + (pixel % size) + 4) * 2;
    const [r = 0, g = 0, b = 0] = [0, 1, 2].map((c) => Math.round((image[pixel * 3 + c] ?? 0) * 65535));
    words.set([r + g * 65536, b], at);
  }
  return words;
}

/** Writes crops [n,S,S,3] where the cascade's iterations read them, the PNCC of p^0 beside them. */
export async function writeCrops({ gpu, initialStem, stem, pixels }: Cascade, image: ArrayLike<number>): Promise<void> {
  const first = unpackTensor(new Float32Array(await readBuffer(gpu, initialStem.buffer)), 8);
  const channels = Float32Array.from({ length: (image.length / 3) * 8 }, (_, i) =>
    i % 8 < 3 ? (image[Math.floor(i / 8) * 3 + (i % 8)] ?? 0) : (first[i % first.length] ?? 0),
  );
  gpu.device.queue.writeBuffer(stem.buffer, 0, packTensor(channels, stem.shape));
  gpu.device.queue.writeBuffer(pixels, 0, packPixels(image, stem.shape.width));
}

/**
 * Runs a plan on given crops, `faces` of them.
 * @param images of each part: one [n,S,S,3], or where the crop follows the face one an iteration
 */
export async function runOnCrops(
  cascade: Cascade,
  { parts }: CascadePlan,
  images: readonly ArrayLike<number>[],
  faces: number,
): Promise<void> {
  const { device } = cascade.gpu;
  if (images.length !== parts.length) throw new Error(`${images.length} lists of crops; wanted ${parts.length}`);
  for (const [k, part] of parts.entries()) {
    await writeCrops(cascade, images[k] ?? []);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    part.encode(pass, faces);
    pass.end();
    device.queue.submit([encoder.finish()]);
  }
}

/** What a cascade makes of a picture: p^0 .. p^K, and where the crop of each iteration lies. */
export interface CascadeRun {
  /** [count] each, p^k in the crop of iteration k, p^K in that of the last. */
  readonly parameters: readonly Float32Array<ArrayBuffer>[];
  readonly crops: readonly Crop[];
  /** [68,4]: x, y, z in the last crop's pixels, and whether they are visible. */
  readonly landmarks: Float32Array<ArrayBuffer>;
}

/** Runs all iterations on a crop of a picture [height,width,3] of bytes. */
export async function runOnPicture(
  cascade: Cascade,
  picture: { readonly width: number; readonly height: number; readonly rgb: Uint8Array },
  crop: Crop,
): Promise<CascadeRun> {
  const { gpu, iterations, network, faceBytes, parameterBytes } = cascade;
  const { width, height, rgb } = picture;
  const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST;
  const texture = gpu.device.createTexture({ size: [width, height], format: 'rgba8unorm', usage });
  const rgba = Uint8Array.from({ length: 4 * width * height }, (_, i) =>
    i % 4 === 3 ? 255 : (rgb[3 * Math.floor(i / 4) + (i % 4)] ?? 0),
  );
  gpu.device.queue.writeTexture({ texture }, rgba, { bytesPerRow: 4 * width }, [width, height]);
  const record = new DataView(new ArrayBuffer(CROP_RECORD_BYTES));
  writeCropRecord(record, 0, cropRecord(crop, picture, picture));
  gpu.device.queue.writeBuffer(cascade.crops, 0, record.buffer);
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  cascade.encode(pass, texture, cascade.plan(iterations), 1);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
  const parameters: Float32Array<ArrayBuffer>[] = [];
  const crops = [crop];
  for (let k = 0; k <= iterations; k++) {
    parameters.push(new Float32Array(await readBuffer(gpu, cascade.parametersAfter(k), 0, parameterBytes)));
    if (k === 0 || k === iterations) continue;
    const words = cascade.followsFace
      ? await readBuffer(gpu, cascade.crops, cascade.cropsAt(k), CROP_RECORD_BYTES)
      : undefined;
    crops.push(
      words === undefined ? crop : cropOfRecord(new Float32Array(words, 0, 6), picture, picture, network.cropSize),
    );
  }
  const output = new Float32Array(await readBuffer(gpu, cascade.output, 0, faceBytes));
  texture.destroy();
  return { parameters, crops, landmarks: output.slice(network.parameters.count) };
}

/** What training made of its pictures, one after the other (docs/formats.md, `cascade.safetensors`). */
export function goldenRuns(file: SafeTensors, { network, iterations }: CascadeWeights) {
  const { cropSize: size, parameters } = network;
  const { count } = parameters;
  const { data, shape } = requireTensor(file, 'picture', 'U8', [undefined, undefined, undefined, 3]);
  const [n = 0, height = 0, width = 0] = shape;
  const steps = iterations.length;
  const [crops, starts, ends] = [
    requireTensor(file, 'crops', 'F32', [steps, n, 4]).data,
    requireTensor(file, 'starts', 'F32', [steps, n, count]).data,
    requireTensor(file, 'ends', 'F32', [steps, n, count]).data,
  ];
  const landmarks = requireTensor(file, 'landmarks', 'F32', [n, 68, 3]).data;
  return Array.from({ length: n }, (_, i) => {
    const row = (tensor: Float32Array<ArrayBuffer>, k: number, length: number) =>
      tensor.subarray((k * n + i) * length, (k * n + i + 1) * length);
    return {
      picture: { width, height, rgb: data.subarray(i * width * height * 3, (i + 1) * width * height * 3) },
      crops: Array.from({ length: steps }, (_, k): Crop => {
        const [centreX = 0, centreY = 0, side = 0, roll = 0] = row(crops, k, 4);
        return { centreX, centreY, side, roll, size };
      }),
      parameters: [...Array.from({ length: steps }, (_, k) => row(starts, k, count)), row(ends, steps - 1, count)],
      landmarks: landmarks.subarray(i * 68 * 3, (i + 1) * 68 * 3),
    };
  });
}

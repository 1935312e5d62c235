/**
 * Alignment and drawing in one encoder: the aligner's vertices go from its pass into a render pass of the page's own,
 * and never to JavaScript.
 */
import { FaceAligner, type FaceBox } from 'fullpose';
import { requireWebGpu } from '../webgpu.js';
import shader from './scene.wgsl?raw';

await requireWebGpu();

/** Round the face, and wide enough for it to tilt. */
const box: FaceBox = { x0: 177, y0: 80, x1: 272, y1: 175, kind: 'detector' };

const canvas = document.querySelector('canvas')!;
const { width, height } = canvas;
const photo = new Image();
photo.src = new URL('../../assets/astronaut.png', import.meta.url).href;
await photo.decode();

const aligner = await FaceAligner.create({ maxFaces: 1 });
const { device, model, outputBytes } = aligner;
const context = canvas.getContext('webgpu')!;
const format = navigator.gpu.getPreferredCanvasFormat();
context.configure({ device, format });

const { TEXTURE_BINDING, COPY_DST, RENDER_ATTACHMENT } = GPUTextureUsage;
const picture = device.createTexture({
  size: [width, height],
  format: 'rgba8unorm',
  usage: TEXTURE_BINDING | COPY_DST | RENDER_ATTACHMENT,
});
const depth = device.createTexture({ size: [width, height], format: 'depth24plus', usage: RENDER_ATTACHMENT });
const makeBuffer = (size: number, usage: number) =>
  device.createBuffer({ size, usage: usage | GPUBufferUsage.COPY_DST });
const vertices = makeBuffer(outputBytes.vertices, GPUBufferUsage.VERTEX);
const crop = makeBuffer(outputBytes.crops, GPUBufferUsage.STORAGE);
const triangles = makeBuffer(model.triangles.byteLength, GPUBufferUsage.INDEX);
device.queue.writeBuffer(triangles, 0, model.triangles);

const module = device.createShaderModule({ code: shader });
const bindings = device.createBindGroupLayout({
  entries: [
    { binding: 0, visibility: GPUShaderStage.VERTEX | GPUShaderStage.FRAGMENT, texture: {} },
    { binding: 1, visibility: GPUShaderStage.VERTEX, buffer: { type: 'read-only-storage' } },
  ],
});
const bindGroup = device.createBindGroup({
  layout: bindings,
  entries: [
    { binding: 0, resource: picture.createView() },
    { binding: 1, resource: { buffer: crop } },
  ],
});
const makePipeline = (name: 'picture' | 'mesh', buffers: GPUVertexBufferLayout[]) =>
  device.createRenderPipeline({
    layout: device.createPipelineLayout({ bindGroupLayouts: [bindings] }),
    vertex: { module, entryPoint: `${name}Vertex`, buffers },
    fragment: { module, entryPoint: `${name}Fragment`, targets: [{ format }] },
    depthStencil: { format: depth.format, depthWriteEnabled: true, depthCompare: 'less' },
  });
const picturePipeline = makePipeline('picture', []);
const meshPipeline = makePipeline('mesh', [
  { arrayStride: 16, attributes: [{ shaderLocation: 0, offset: 0, format: 'float32x4' }] },
]);

const paint = new OffscreenCanvas(width, height).getContext('2d')!;

/** Aligns and draws the photo, tilted round its face. @param tilt radians, clockwise */
export function draw(tilt: number): void {
  const [x, y] = [(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2];
  paint.resetTransform();
  paint.clearRect(0, 0, width, height);
  paint.translate(x, y);
  paint.rotate(tilt);
  paint.drawImage(photo, -x, -y, width, height);
  device.queue.copyExternalImageToTexture({ source: paint.canvas }, { texture: picture }, [width, height]);

  const encoder = device.createCommandEncoder();
  aligner.encode(
    encoder,
    { texture: picture, boxes: [box] },
    { vertices: { buffer: vertices }, crops: { buffer: crop } },
  );
  const pass = encoder.beginRenderPass({
    colorAttachments: [{ view: context.getCurrentTexture().createView(), loadOp: 'clear', storeOp: 'store' }],
    depthStencilAttachment: {
      view: depth.createView(),
      depthClearValue: 1,
      depthLoadOp: 'clear',
      depthStoreOp: 'discard',
    },
  });
  pass.setBindGroup(0, bindGroup);
  pass.setPipeline(picturePipeline);
  pass.draw(3);
  pass.setPipeline(meshPipeline);
  pass.setVertexBuffer(0, vertices);
  pass.setIndexBuffer(triangles, 'uint32');
  pass.drawIndexed(model.triangles.length);
  pass.end();
  device.queue.submit([encoder.finish()]);
}

/** Frames drawn so far. */
export let frames = 0;

async function onFrame(now: number): Promise<void> {
  draw(0.25 * Math.sin(now / 1000));
  frames++;
  // One frame is on its way at a time, however slow the GPU.
  await device.queue.onSubmittedWorkDone();
  requestAnimationFrame(onFrame);
}

requestAnimationFrame(onFrame);
document.querySelector('[role="status"]')!.textContent = `${model.vertexCount} vertices`;

export { aligner, box };

/**
 * What the declarations of the package name and not every consumer has. Interfaces merge with those of TypeScript's own
 * lib, of `@webgpu/types` and of others; where none of these is there, they have what stands here: objects of the GPU
 * are opaque then, and nothing is `any`.
 */
interface SymbolConstructor {
  readonly dispose: unique symbol;
}

interface GPUBindGroup {
  label: string;
}
interface GPUBindGroupLayout {
  label: string;
}
interface GPUBuffer {
  label: string;
}
interface GPUCommandEncoder {
  label: string;
}
interface GPUComputePassEncoder {
  label: string;
}
interface GPUComputePipeline {
  label: string;
}
interface GPUDevice {
  label: string;
}
interface GPUExternalTexture {
  label: string;
}
interface GPUQuerySet {
  label: string;
}
interface GPUSampler {
  label: string;
}
interface GPUTexture {
  label: string;
}
interface GPUTextureView {
  label: string;
}
interface GPUAdapter {
  readonly limits: GPUSupportedLimits;
}
interface GPUSupportedLimits {
  readonly maxTextureDimension2D: number;
}
interface GPUBindGroupEntry {
  binding: number;
}
interface GPUBufferBinding {
  buffer: GPUBuffer;
}
interface GPUComputePassTimestampWrites {
  querySet: GPUQuerySet;
}

interface HTMLCanvasElement {
  toDataURL(type?: string, quality?: number): string;
}
interface HTMLImageElement {
  readonly naturalHeight: number;
}
interface HTMLVideoElement {
  readonly videoHeight: number;
}

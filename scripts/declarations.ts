/**
 * Makes the declarations that `tsc` wrote good for every TypeScript from 5.4 on and for whatever `lib` and types a
 * consumer has: the types of typed arrays have taken an argument since 5.7 only, those of WebGPU have come with
 * TypeScript since 6.0 only, a worker's lib has no elements, and `Symbol.dispose` is of ESNext. No declaration may need
 * more than what scripts/environment.d.ts adds.
 */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Names of types that are aliases in `@webgpu/types` and in TypeScript's own lib, so that nobody else may declare them.
 */
const ALIASES: Readonly<Record<string, string>> = {
  GPUPowerPreference: '"low-power" | "high-performance"',
  GPUDeviceLostReason: '"unknown" | "destroyed"',
  GPUBufferUsageFlags: 'number',
  GPUBindingResource: '(GPUSampler | GPUTexture | GPUTextureView | GPUBuffer | GPUBufferBinding | GPUExternalTexture)',
};

/** A declaration's text for all consumers. @param environment path to environment.d.ts */
export function portable(text: string, environment: string): string {
  const own = text
    // What `slice` returns: `Float32Array<ArrayBuffer>` since 5.7, `Float32Array` before.
    .replaceAll(/\b(\w+Array)<ArrayBuffer>/g, 'ReturnType<$1["slice"]>')
    // `navigator.gpu`, whose members differ: only the library's own code names it.
    .replaceAll(': GPU;', ': object;')
    .replaceAll(new RegExp(`\\b(${Object.keys(ALIASES).join('|')})\\b`, 'g'), (name) => ALIASES[name] ?? name);
  return `/// <reference path="${environment}" />\n${own}`;
}

/** Rewrites all declarations under `folder`. */
export function makePortable(folder: string): void {
  copyFileSync(fileURLToPath(new URL('environment.d.ts', import.meta.url)), join(folder, 'environment.d.ts'));
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.d.ts'));
  for (const name of names.filter((path) => path !== 'environment.d.ts')) {
    const path = join(folder, name);
    const environment = relative(join(path, '..'), join(folder, 'environment.d.ts')).replaceAll('\\', '/');
    writeFileSync(
      path,
      portable(readFileSync(path, 'utf8'), environment.startsWith('.') ? environment : `./${environment}`),
    );
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) makePortable(process.argv[2] ?? 'dist');

/** What a visitor can do about what went wrong. */
import { PictureError } from '../pages/pictures.js';

/** What went wrong, and what to do. */
export interface Problem {
  readonly title: string;
  readonly advice: string;
}

/** @param userAgent of the visitor's browser */
export function problemOf(error: unknown, userAgent: string): Problem {
  const message = error instanceof Error ? error.message : String(error);
  const title = message.endsWith('.') ? message.slice(0, -1) : message;
  if (error instanceof PictureError) {
    return { title, advice: 'Open a JPEG, PNG, WebP or AVIF picture, or an MP4 or WebM video.' };
  }
  switch (codeOf(error)) {
    case 'webgpu-unavailable':
      return { title: `WebGPU is missing: ${title}`, advice: webGpuAdvice(userAgent) };
    case 'device-lost':
      return { title, advice: 'Reload the page; close other pages that use the GPU.' };
    case 'out-of-memory':
      return { title, advice: 'Open a smaller picture, or close other pages.' };
  }
  const name = error instanceof Error || error instanceof DOMException ? error.name : '';
  switch (name) {
    case 'NotAllowedError':
      return {
        title: 'The camera was not allowed',
        advice: 'Allow it by the sign beside the address, then press Webcam again. Photos and videos need no camera.',
      };
    case 'NotFoundError':
    case 'OverconstrainedError':
      return { title: 'There is no camera', advice: 'Connect one and press Webcam again, or open a photo or video.' };
    case 'NotReadableError':
      return { title: 'The camera is in use', advice: 'Close the program that uses it, then press Webcam again.' };
    default:
      return { title, advice: 'Try another picture; if that fails too, reload the page.' };
  }
}

/** The code of one of the library's errors. */
function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** How to come to WebGPU in the browser of `userAgent`. */
export function webGpuAdvice(userAgent: string): string {
  const version = (name: string) => Number(new RegExp(`${name}/(\\d+)`).exec(userAgent)?.[1] ?? Number.NaN);
  const update = 'Update the browser, then reload.';
  if (/Firefox\//.test(userAgent)) {
    return /Linux|Android/.test(userAgent)
      ? 'In Firefox here, open about:config, set dom.webgpu.enabled to true, and reload; or use Chrome.'
      : `Firefox has it from 141 on Windows and from 145 on Macs with Apple silicon (this is ${version('Firefox')}). ${update}`;
  }
  if (/Chrome\//.test(userAgent)) {
    const found = version('Chrome');
    if (found < 113) return `Chrome and Edge have it from 113 (this is ${found}). ${update}`;
    if (/Android/.test(userAgent))
      return 'Chrome has it from Android 12 on phones with a current GPU. Try a newer phone or a computer.';
    if (/Linux|CrOS/.test(userAgent)) {
      return 'On Linux, open chrome://flags/#enable-unsafe-webgpu, enable it, and start the browser again.';
    }
    return 'Turn on "Use graphics acceleration" in Settings > System and start the browser again; chrome://gpu says what is missing.';
  }
  if (/Safari\//.test(userAgent)) {
    return `Safari has it from 26, on iOS, iPadOS and macOS (this is ${version('Version')}). Update the system, then reload.`;
  }
  return 'Use a current Chrome, Edge, Safari or Firefox on a machine with a GPU.';
}

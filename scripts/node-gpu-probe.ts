/** Whether WebGPU has an adapter here: a job of scripts/node-gpu.ts. */
export default async function probe(): Promise<boolean> {
  return (await navigator.gpu.requestAdapter()) !== null;
}

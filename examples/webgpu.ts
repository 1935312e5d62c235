/** Goes on where there is a GPU; elsewhere says so in the page's status, and never resolves. */
export async function requireWebGpu(): Promise<void> {
  if (await navigator.gpu?.requestAdapter()) return;
  document.querySelector('[role="status"]')!.textContent =
    'This page needs WebGPU: a current Chrome, Edge, Safari or Firefox, on a machine with a GPU.';
  await new Promise(() => {});
}

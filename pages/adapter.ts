import type { AdapterSummary } from '../src/engine/device.js';

/** What is shown of an adapter: its names, where the browser gives any (Firefox gives none). */
export function adapterName({ vendor, architecture, description }: AdapterSummary): string {
  const names = [vendor, architecture, description].filter((part) => part !== '');
  return names.length === 0 ? 'a GPU that the browser does not name' : names.join(' ');
}

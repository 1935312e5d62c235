/**
 * `npm run --silent align`: pictures in, landmarks, pose and meshes out. The contract is `alignUsage` in options.ts.
 */
import { Interrupt } from './interrupt.js';
import { alignUsage, exitCodes, parseAlignArguments, startFolder } from './options.js';
import { runMain } from './run-main.js';

async function main(): Promise<number> {
  const folder = startFolder(process.env, process.cwd(), 'align');
  const options = parseAlignArguments(process.argv.slice(2), folder);
  if (options.mode === 'help') {
    process.stdout.write(`${alignUsage}\n`);
    return exitCodes.ok;
  }
  const interrupt = new Interrupt();
  // Loaded here, because the browser driver and the page server take a second that a wrong command line need not wait
  // for.
  if (options.mode === 'list') return (await import('./align-list.js')).alignList(options, folder, interrupt);
  if (options.mode === 'videos') return (await import('./align-videos.js')).alignVideos(options, folder, interrupt);
  return (await import('./align-pictures.js')).alignPictures(options, folder, interrupt);
}

await runMain(main);

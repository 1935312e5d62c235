/** `npm run --silent align`: pictures in, landmarks, pose and meshes out. The contract is `alignUsage` in options.ts. */
import { alignList } from './align-list.js';
import { alignPictures } from './align-pictures.js';
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
  return options.mode === 'list' ? alignList(options, folder, interrupt) : alignPictures(options, interrupt);
}

await runMain(main);

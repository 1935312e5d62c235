import { exitCodes, UsageError } from './options.js';

/** Runs a program to its exit code. What it throws becomes one message on stderr, with a stack only where `FULLPOSE_DEBUG` is set. */
export async function runMain(main: () => Promise<number>): Promise<never> {
  let code: number;
  try {
    code = await main();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const stack = process.env.FULLPOSE_DEBUG && error instanceof Error ? `\n${error.stack}` : '';
    process.stderr.write(`fullpose: ${message}${stack}\n`);
    if (error instanceof UsageError) process.stderr.write('Try --help.\n');
    code = error instanceof UsageError ? exitCodes.usage : exitCodes.someFailed;
  }
  // Written output is flushed before the exit; sockets of a browser that is already gone do not delay it.
  await Promise.all(
    [process.stdout, process.stderr].map((stream) => new Promise<void>((done) => stream.write('', () => done()))),
  );
  process.exit(code);
}

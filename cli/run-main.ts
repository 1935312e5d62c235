import { exitCodes, UsageError } from './options.js';

/** Longer messages are cut: one of a kernel that does not compile carries its source. */
const mostLines = 12;

/** One message for people; whole and with its stack only where `FULLPOSE_DEBUG` is set. */
export function describe(error: unknown, env: NodeJS.ProcessEnv = process.env): string {
  if (!(error instanceof Error)) return String(error);
  if (env.FULLPOSE_DEBUG) return error.stack ?? error.message;
  // What a page throws comes with its stack in the message.
  const lines = error.message.split('\n').filter((line) => !/^ +at .+:\d+:\d+\)?$/.test(line));
  if (lines.length <= mostLines) return lines.join('\n');
  return [...lines.slice(0, mostLines), `... ${lines.length - mostLines} more lines with FULLPOSE_DEBUG=1`].join('\n');
}

/** Runs a program to its exit code; what it throws is described on stderr. */
export async function runMain(main: () => Promise<number>): Promise<never> {
  let code: number;
  try {
    code = await main();
  } catch (error) {
    process.stderr.write(`fullpose: ${describe(error)}\n`);
    if (error instanceof UsageError) process.stderr.write('Try --help.\n');
    code = error instanceof UsageError ? exitCodes.usage : exitCodes.someFailed;
  }
  // Written output is flushed before the exit; sockets of a browser that is already gone do not delay it.
  await Promise.all(
    [process.stdout, process.stderr].map((stream) => new Promise<void>((done) => stream.write('', () => done()))),
  );
  process.exit(code);
}

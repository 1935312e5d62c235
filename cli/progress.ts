import { Presets, SingleBar } from 'cli-progress';

/** Progress of many like things, on stderr: a bar on a terminal, else a line now and then. */
export interface Progress {
  step(): void;
  /** Writes a line without tearing the bar. */
  note(text: string): void;
  /** Writes results to stdout, which may be the same terminal as the bar's. */
  print(lines: readonly string[]): void;
  stop(): void;
}

const lineEveryMs = 5000;

/** @param unit plural, as "pictures". */
export function createProgress(
  total: number,
  unit: string,
  stream: NodeJS.WritableStream & { readonly isTTY?: boolean } = process.stderr,
): Progress {
  return stream.isTTY ? barProgress(total, unit, stream) : lineProgress(total, unit, stream);
}

function barProgress(total: number, unit: string, stream: NodeJS.WritableStream): Progress {
  const format = ` {bar} {value} of {total} ${unit}, {eta_formatted} left`;
  const bar = new SingleBar({ format, stream, hideCursor: true, etaBuffer: 50 }, Presets.shades_classic);
  bar.start(total, 0);
  let done = 0;
  const above = (write: () => void) => {
    stream.write('\r\u001b[K');
    write();
    bar.update(done);
  };
  return {
    step: () => bar.update(++done),
    note: (text) => above(() => stream.write(`${text}\n`)),
    print: (lines) => above(() => printLines(lines)),
    stop: () => bar.stop(),
  };
}

function lineProgress(total: number, unit: string, stream: NodeJS.WritableStream): Progress {
  let done = 0;
  let last = Date.now();
  return {
    step: () => {
      done++;
      if (done !== total && Date.now() - last < lineEveryMs) return;
      last = Date.now();
      stream.write(`${done} of ${total} ${unit}\n`);
    },
    note: (text) => void stream.write(`${text}\n`),
    print: printLines,
    stop: () => {},
  };
}

function printLines(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}

/** Runs `work` over the items with at most `limit` at a time. The first rejection ends it. */
export async function forEachConcurrent<T>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      const item = items[index];
      if (item !== undefined) await work(item, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
}

import { type BenchmarkOptions, runBenchmark } from './benchmark.js';
import type { Report } from './report.js';

declare global {
  interface Window {
    /** The benchmark for programs: runs it and shows the report, or shows a report of another run. */
    fullposeBench: { run(options: BenchmarkOptions): Promise<Report> };
    /** Set by a program that wants to hear how far a run is. */
    onBenchmarkProgress?: (text: string, fraction: number) => void;
  }
}

window.fullposeBench = {
  run: (options) =>
    runBenchmark(options, {
      progress: (text, fraction) => window.onBenchmarkProgress?.(text, fraction),
      frame: () => {},
    }),
};

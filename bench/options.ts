import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { browserUsage, parseBrowser, parseCount, parseOrUsage, UsageError } from '../cli/options.js';
import type { BrowserName } from '../scripts/browser.js';
import type { DType } from '../src/engine/network.js';
import type { BenchmarkOptions } from './benchmark.js';

export type BenchCommand =
  | { readonly mode: 'help' }
  | {
      readonly mode: 'run';
      readonly json: string;
      readonly markdown: string | undefined;
      /** Where the run goes as bench/results/ has it. */
      readonly run: string | undefined;
      /** Where the short report goes. */
      readonly summary: string | undefined;
      /** Of MediaPipe's FaceLandmarker. */
      readonly model: string | undefined;
      /** Each once, in the order asked for. */
      readonly browsers: readonly BrowserName[];
      readonly options: BenchmarkOptions;
    };

export const benchUsage = `Usage: npm run --silent bench -- --json FILE [--markdown FILE] [--summary FILE] [--run FILE] [--quick] [--rivals [--model FILE]]
       [--faces N] [--dtype f16|f32] [--browser chromium|firefox]...

Measures the cascade in a headless browser. A short table goes to stdout, progress to stderr.

  --json FILE      where the numbers go
  --markdown FILE  where the report for people goes: between the lines <!-- results --> and <!-- end of results --> of a file
                   that has them, else all of it
  --summary FILE   where a table with a column for each browser goes, in the same way
  --run FILE       where the whole run goes, as the page saves it and bench/results/ has it
  --quick          few rounds; the medians are rough
  --rounds N       as many rounds as this
  --rivals         also race onnxruntime-web and TensorFlow.js on Net^0, the hardware rasteriser, and a naive convolution
  --model FILE     with --rivals: also race MediaPipe's FaceLandmarker from a picture to landmarks; FILE is face_landmarker.task,
                   as MediaPipe publishes it. Nothing leaves the machine
  --faces N        faces of a frame for stages and frame, from 1 (the default) to 16
  --dtype DTYPE    how our weights are held on the GPU: f16 (the default), where they are halves and the device passes the
                   library's test of them, or f32; the report says which it was
  --browser NAME   ${browserUsage}; given again, one after the other:
                   FILE then has a member for each, and the report a section`;

const MOST_FACES = 16;

/** The engine's `DTYPES`, which Node cannot import with its shaders. */
const dtypes: readonly DType[] = ['f16', 'f32'];

/**
 * @param folder what relative paths start from.
 * @throws UsageError
 */
export function parseBenchArguments(argv: readonly string[], folder: string): BenchCommand {
  const { values } = parseOrUsage(() =>
    parseArgs({
      args: [...argv],
      options: {
        json: { type: 'string' },
        markdown: { type: 'string' },
        summary: { type: 'string' },
        run: { type: 'string' },
        model: { type: 'string' },
        quick: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        rivals: { type: 'boolean', default: false },
        faces: { type: 'string', default: '1' },
        dtype: { type: 'string', default: 'f16' },
        browser: { type: 'string', multiple: true },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }),
  );
  if (values.help) return { mode: 'help' };
  if (values.json === undefined) throw new UsageError('there is no --json FILE');
  const rounds = values.rounds === undefined ? undefined : parseCount(values.rounds, 'rounds', 1);
  const faces = parseCount(values.faces, 'faces', 1);
  if (faces > MOST_FACES) throw new UsageError(`--faces is ${faces}; wanted at most ${MOST_FACES}`);
  const dtype = dtypes.find((known) => known === values.dtype);
  if (dtype === undefined) throw new UsageError(`--dtype is "${values.dtype}"; wanted ${dtypes.join(' or ')}`);
  const browsers = [...new Set((values.browser ?? [undefined]).map(parseBrowser))];
  if (values.run !== undefined && browsers.length > 1) throw new UsageError('--run is for one browser');
  if (values.model !== undefined && !values.rivals) throw new UsageError('--model without --rivals');
  const at = (file: string | undefined) => (file === undefined ? undefined : resolve(folder, file));
  return {
    mode: 'run',
    json: resolve(folder, values.json),
    markdown: at(values.markdown),
    summary: at(values.summary),
    run: at(values.run),
    model: at(values.model),
    browsers,
    options: {
      faces,
      quick: values.quick,
      rivals: values.rivals,
      landmarker: values.model !== undefined,
      dtype,
      ...(rounds !== undefined && { rounds }),
    },
  };
}

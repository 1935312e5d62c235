/** `npm run --silent evaluate`: accuracy of the WebGPU engine on a labelled split. */
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BrowserName } from '../scripts/browser.js';
import { repositoryRoot } from '../scripts/page-host.js';
import { loadFaceModel } from '../src/mmm/model.js';
import { jitterBox, normals, type Rectangle, tightBox } from './accuracy.js';
import { type LabelledCrop, readSplit } from './data/faces.js';
import { type Accuracy, formatTable, measure, type Prediction } from './evaluation.js';
import { poseOfLandmarks } from './label-pose.js';
import type { BoxSpec } from './list.js';
import { browserUsage, exitCodes, parseBrowser, parseCount, parseOrUsage, startFolder } from './options.js';
import { createProgress, forEachConcurrent } from './progress.js';
import { runMain } from './run-main.js';
import { AlignSession, jobsInFlight } from './session.js';

const usage = `Usage: npm run --silent evaluate -- [--data DIR] [--split NAME] [--json FILE] [--seed N] [--limit N] [--browser NAME]

Prints the landmark error of every number of iterations, with the boxes of the ground truth and with jittered ones, and of the label network.

  --data DIR    folder with faces/labels.npz and faces/NAME.tar (default: ../shared/data)
  --split NAME  the crops of NAME.tar that have 2D markup (default: val-afw)
  --json FILE   the same numbers as JSON
  --seed N      seed of the jitter (default: 1)
  --limit N     only the first N crops
  --browser NAME
                ${browserUsage}

NME = mean distance of the points / sqrt(w h) of the ground truth's box, in %; NME68 over all points, NME51 over those within the jaw line.
Bins are of the absolute yaw, in degrees, of the label network's 3D points: the rotation of the mean face that fits them best.`;

/** Standard deviations of the jitter: the centre's shift and the size's change, as parts of the box. */
const jitter = { shift: 0.05, scale: 0.1 } as const;

interface Evaluated {
  readonly crop: LabelledCrop;
  readonly truth: Float32Array;
  readonly yaw: number;
  readonly boxes: readonly [plain: BoxSpec, jittered: BoxSpec];
}

const asBox = ({ x0, y0, x1, y1 }: Rectangle): BoxSpec => ({ x0, y0, x1, y1, kind: 'landmarks' });

async function readCrops(data: string, split: string, seed: number, limit: number): Promise<readonly Evaluated[]> {
  const modelFile = await readFile(join(repositoryRoot, 'weights/face_model.safetensors'));
  const model = loadFaceModel(new Uint8Array(modelFile).buffer);
  const normal = normals(seed);
  const crops: Evaluated[] = [];
  for (const crop of await readSplit(data, split)) {
    const truth = crop.landmarks2d;
    if (truth === undefined || crops.length >= limit) continue;
    const box = tightBox(truth, 2);
    crops.push({
      crop,
      truth,
      yaw: poseOfLandmarks(crop.landmarks3d, model).yaw,
      boxes: [asBox(box), asBox(jitterBox(box, jitter, normal))],
    });
  }
  if (crops.length === 0) throw new Error(`no crop of ${split} has 2D markup`);
  return crops;
}

interface Row {
  readonly label: string;
  readonly accuracy: Accuracy;
}

async function alignAll(crops: readonly Evaluated[], browser: BrowserName): Promise<readonly Row[]> {
  const session = await AlignSession.open({
    browser,
    detector: false,
    note: (text) => void process.stderr.write(`${text}\n`),
    read: async (picture) => {
      const jpeg = crops[picture]?.crop.jpeg;
      if (jpeg === undefined) throw new Error(`there are ${crops.length} crops`);
      return jpeg;
    },
  });
  const { iterations } = session.device;
  const counts = Array.from({ length: iterations }, (_, index) => index + 1);
  const results = new Map<string, Prediction[]>();
  const kinds = ['', ', jittered boxes'] as const;
  for (const kind of kinds) for (const k of counts) results.set(`K = ${k}${kind}`, []);
  const progress = createProgress(crops.length, 'crops');
  try {
    await forEachConcurrent(crops, jobsInFlight, async ({ crop, truth, yaw, boxes }, picture) => {
      // One run gives the result of every number of iterations.
      const job = { picture, name: crop.image, boxes, faces: 'all', steps: true, formats: [] } as const;
      const reply = await session.align(job);
      if (reply.status === 'failed') throw new Error(`${crop.image}: ${reply.message}`);
      if (reply.faces.length !== kinds.length) {
        throw new Error(`${crop.image}: ${reply.faces.length} faces for ${kinds.length} boxes`);
      }
      for (const [i, { steps }] of reply.faces.entries()) {
        for (const k of counts) {
          const landmarks = steps?.[k - 1];
          if (landmarks === undefined) throw new Error(`${crop.image}: no landmarks after ${k} iterations`);
          results.get(`K = ${k}${kinds[i]}`)?.push({ landmarks, truth, yaw });
        }
      }
      progress.step();
    });
  } finally {
    progress.stop();
    await session.close();
  }
  return [...results].map(([label, predictions]) => ({ label, accuracy: measure(predictions) }));
}

async function main(): Promise<number> {
  const { values } = parseOrUsage(() =>
    parseArgs({
      options: {
        data: { type: 'string', default: join(repositoryRoot, '../shared/data') },
        split: { type: 'string', default: 'val-afw' },
        json: { type: 'string' },
        seed: { type: 'string', default: '1' },
        limit: { type: 'string' },
        browser: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }),
  );
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return exitCodes.ok;
  }
  const folder = startFolder(process.env, process.cwd(), 'evaluate');
  const seed = parseCount(values.seed, 'seed', 0);
  const limit = values.limit === undefined ? Number.POSITIVE_INFINITY : parseCount(values.limit, 'limit', 1);
  const crops = await readCrops(resolve(folder, values.data), values.split, seed, limit);
  const network = crops.map(({ crop, truth, yaw }) => ({ landmarks: crop.landmarks3d, truth, yaw }));
  const rows = [
    ...(await alignAll(crops, parseBrowser(values.browser))),
    { label: 'label network', accuracy: measure(network) },
  ];
  process.stdout.write(`${values.split}: ${crops.length} crops, NME in % of sqrt(w h); bins of |yaw| show NME68\n`);
  process.stdout.write(`${formatTable(rows)}\n`);
  if (values.json !== undefined) {
    const path = resolve(folder, values.json);
    const summary = { split: values.split, crops: crops.length, seed, jitter, rows };
    await writeFile(path, `${JSON.stringify(summary, null, 2)}\n`);
    process.stderr.write(`${basename(path)} written\n`);
  }
  return exitCodes.ok;
}

await runMain(main);

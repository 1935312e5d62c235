/** `npm run --silent evaluate`: accuracy of the WebGPU engine on a labelled split. */
import { writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BrowserName } from '../scripts/browser.js';
import { repositoryRoot } from '../scripts/page-host.js';
import { rotate, turnOf } from '../src/pictures/crop.js';
import { jitterBox, mean, normalisedMeanError, normals, type Rectangle, tightBox } from './accuracy.js';
import { boxOverlap, eyeRoll, summarise } from './any-pose.js';
import { isHardSplit, type LabelledCrop, type LabelledFace, readHardFaces, readMarked } from './data/faces.js';
import { type Accuracy, formatTable, measure, type Prediction } from './evaluation.js';
import {
  byRoll,
  error51,
  eyeFigures,
  type Figures,
  formatFigures,
  infantFigures,
  mouthFigures,
  openEyed,
  profileFigures,
  regionFigures,
  truthOf,
} from './figures.js';
import { bundledFaceModel, poseOfLandmarks } from './label-pose.js';
import type { BoxSpec } from './list.js';
import { browserUsage, exitCodes, parseBrowser, parseCount, parseOrUsage, startFolder, UsageError } from './options.js';
import { createProgress, forEachConcurrent } from './progress.js';
import { type Ask, askIn, boxOf, findIn, findingOf, jpegOf, note } from './questions.js';
import { runMain } from './run-main.js';
import { AlignSession, jobsInFlight } from './session.js';

const usage = `Usage: npm run --silent evaluate -- [--data DIR] [--split NAME] [--roll] [--auto] [--json FILE] [--seed N] [--limit N] [--browser NAME]

Prints how far the engine's faces are from the truth. For a split of labels.npz: the landmark error of every number of iterations, with the boxes of the ground
truth and with jittered ones, and of the label network; errors by region; and how far mouths are open. For val-infant: the inner points' error, by roll. For val-cfp: six places of
real profiles. For val-closed-eyes: whether shut eyes are told from open ones, which are val-afw's.

  --data DIR    folder with faces/*.npz and faces/NAME.tar (default: ../shared/data)
  --split NAME  val-afw (default), val-infant, val-cfp, val-closed-eyes, or another of labels.npz that has 2D markup
  --roll        instead: the pictures turned by 0, 30, 60, 90, 135 and 180 degrees, boxes upright (splits with 68 marked points)
  --auto        instead: without boxes, how many of the faces are found: the box of the points has an IoU over 0.4 with the truth's
                (val-cfp on a grey canvas of twice the size; with --roll all splits, turned on it)
  --json FILE   the same numbers as JSON
  --seed N      seed of the jitter (default: 1); only splits of labels.npz have jittered boxes
  --limit N     only the first N pictures
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
  const model = await bundledFaceModel();
  const normal = normals(seed);
  return (await readMarked(data, split)).slice(0, limit).map((crop) => {
    const box = tightBox(crop.landmarks2d, 2);
    return {
      crop,
      truth: crop.landmarks2d,
      yaw: poseOfLandmarks(crop.landmarks3d, model).yaw,
      boxes: [asBox(box), asBox(jitterBox(box, jitter, normal))],
    };
  });
}

interface Row {
  readonly label: string;
  readonly accuracy: Accuracy;
}

async function alignAll(
  crops: readonly Evaluated[],
  browser: BrowserName,
): Promise<{ readonly rows: readonly Row[]; readonly figures: Figures }> {
  const session = await AlignSession.open({
    browser,
    detector: false,
    note,
    read: async (picture) => jpegOf(crops[picture]?.crop),
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
  const pairs = (results.get(`K = ${iterations}`) ?? []).map(({ landmarks, truth }) => {
    return { found: { values: landmarks, stride: 3 }, truth: { values: truth, stride: 2 } } as const;
  });
  return {
    rows: [...results].map(([label, predictions]) => ({ label, accuracy: measure(predictions) })),
    figures: { ...regionFigures(pairs), ...mouthFigures(pairs) },
  };
}

/** The same pictures turned clockwise: what a crop turned the other way shows. */
async function measureRoll(ask: Ask, faces: readonly LabelledFace[]): Promise<Figures> {
  const answers = await ask(faces.map((face) => ({ face, boxes: rolls.map((roll) => boxOf(face, -roll)) })));
  return Object.fromEntries(
    rolls.map((roll, i) => {
      const results = faces.map((face, n) => ({ found: findingOf(answers[n]!.faces[i]!), truth: truthOf(face) }));
      const nme68 = mean(results.map(({ found, truth }) => normalisedMeanError(found.landmarks.values, truth.values)));
      const { mean: nme51, over10 } = summarise(results.map(({ found, truth }) => error51(found, truth)));
      return [`${roll} degrees`, { nme68, nme51, over10 }];
    }),
  );
}

const rolls = [0, 30, 60, 90, 135, 180] as const;

async function measureEyes(ask: Ask, shut: readonly LabelledFace[], others: readonly LabelledFace[]): Promise<Figures> {
  const findings = await findIn(ask, [...shut, ...openEyed(others)]);
  return eyeFigures(findings.slice(0, shut.length), findings.slice(shut.length));
}

/** Without boxes: which faces are found, whose landmarks' box overlaps the truth's enough. */
async function measureFound(
  ask: Ask,
  faces: readonly LabelledFace[],
  split: string,
  turns: readonly number[],
): Promise<Figures> {
  const places = split === 'val-cfp' || turns.length > 1 ? { canvas: 2 } : {};
  const answers = await ask(turns.flatMap((turn) => faces.map((face) => ({ face, ...places, turn }))));
  const results = answers.map((answer, i) => {
    const truth = truthOf(faces[i % faces.length]!);
    const points = 'canvas' in places ? onCanvas(truth, turns[Math.floor(i / faces.length)]!, answer) : truth;
    const wanted = tightBox(points.values, points.stride);
    const isFound = answer.faces.some((face) => boxOverlap(tightBox(face.landmarks, 3), wanted) > sameFace);
    return { roll: eyeRoll(truth), isFound };
  });
  const share = (some: typeof results) => ({
    faces: some.length,
    'found, %': (100 * some.filter(({ isFound }) => isFound).length) / some.length,
  });
  if (turns.length === 1) {
    return { 'without boxes': share(results), ...(split === 'val-infant' && byRoll(results, share)) };
  }
  const of = (i: number) => share(results.slice(i * faces.length, (i + 1) * faces.length));
  return Object.fromEntries(turns.map((turn, i) => [`${turn} degrees, without boxes`, of(i)]));
}

/** Points of a picture where it lies, turned clockwise, in the middle of a canvas of twice its size. */
function onCanvas(
  { values, stride }: ReturnType<typeof truthOf>,
  degrees: number,
  { width, height }: { readonly width: number; readonly height: number },
): { readonly values: readonly number[]; readonly stride: 2 } {
  // The picture's middle, in its own pixels and in the canvas's.
  const [centreX, centreY] = [width / 4 - 0.5, height / 4 - 0.5];
  const [left, top] = [Math.floor(width / 4), Math.floor(height / 4)];
  const turned = Array.from({ length: values.length / stride }, (_, i) => {
    const [x, y] = rotate(values[i * stride]! - centreX, values[i * stride + 1]! - centreY, turnOf(degrees));
    return [x + left + centreX, y + top + centreY];
  });
  return { values: turned.flat(), stride: 2 };
}

const sameFace = 0.4;

async function main(): Promise<number> {
  const { values } = parseOrUsage(() =>
    parseArgs({
      options: {
        data: { type: 'string', default: join(repositoryRoot, '../shared/data') },
        split: { type: 'string', default: 'val-afw' },
        roll: { type: 'boolean', default: false },
        auto: { type: 'boolean', default: false },
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
  const browser = parseBrowser(values.browser);
  const { split } = values;
  if (values.roll && !values.auto && isHardSplit(split) && split !== 'val-infant') {
    throw new UsageError(
      `--roll is for splits with 68 marked points, which ${split} has not; --roll --auto is for all`,
    );
  }
  const data = resolve(folder, values.data);
  const write = async (summary: Readonly<Record<string, unknown>>) => {
    if (values.json === undefined) return;
    const path = resolve(folder, values.json);
    await writeFile(path, `${JSON.stringify(summary, null, 2)}\n`);
    note(`${basename(path)} written`);
  };
  if (values.roll || values.auto || isHardSplit(split)) {
    const faces = (await (isHardSplit(split) ? readHardFaces : readMarked)(data, split)).slice(0, limit);
    const ask: Ask = (questions) => askIn(browser, questions);
    const figures = await measureFigures(ask, faces, data, limit, { split, roll: values.roll, auto: values.auto });
    const unit = values.auto ? '' : ', errors in % of sqrt(w h)';
    process.stdout.write(`${split}: ${faces.length} pictures${unit}\n${formatFigures(figures)}\n`);
    await write({ split, pictures: faces.length, roll: values.roll, auto: values.auto, figures });
    return exitCodes.ok;
  }
  const crops = await readCrops(data, split, seed, limit);
  const network = crops.map(({ crop, truth, yaw }) => ({ landmarks: crop.landmarks3d, truth, yaw }));
  const { rows, figures } = await alignAll(crops, browser);
  const labelled = [...rows, { label: 'label network', accuracy: measure(network) }];
  process.stdout.write(`${split}: ${crops.length} crops, NME in % of sqrt(w h); bins of |yaw| show NME68\n`);
  process.stdout.write(`${formatTable(labelled)}\n${formatFigures(figures)}\n`);
  await write({ split, crops: crops.length, seed, jitter, rows: labelled, figures });
  return exitCodes.ok;
}

function measureFigures(
  ask: Ask,
  faces: readonly LabelledFace[],
  data: string,
  limit: number,
  { split, roll, auto }: { readonly split: string; readonly roll: boolean; readonly auto: boolean },
): Promise<Figures> {
  if (auto) return measureFound(ask, faces, split, roll ? rolls : [0]);
  if (roll) return measureRoll(ask, faces);
  if (split === 'val-infant') return findIn(ask, faces).then((findings) => infantFigures(faces, findings));
  if (split === 'val-cfp') return findIn(ask, faces).then((findings) => profileFigures(faces, findings));
  return readMarked(data, 'val-afw').then((others) => measureEyes(ask, faces, others.slice(0, limit)));
}

await runMain(main);

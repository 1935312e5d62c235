/** `npm run --silent evaluate`: accuracy of the WebGPU engine on a labelled split. */
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BrowserName } from '../scripts/browser.js';
import { repositoryRoot } from '../scripts/page-host.js';
import { loadFaceModel } from '../src/mmm/model.js';
import { landmarksBox } from '../src/pictures/boxes.js';
import { innerPoints, jitterBox, mean, normalisedMeanError, normals, type Rectangle, tightBox } from './accuracy.js';
import {
  areaUnderCurve,
  boxOverlap,
  correlation,
  eyeRatio,
  eyeRoll,
  mouthOpening,
  type Points,
  placeErrors,
  placeNames,
  summarise,
} from './any-pose.js';
import { type LabelledCrop, type LabelledFace, readHardFaces, readSplit } from './data/faces.js';
import { type Accuracy, formatTable, measure, type Prediction } from './evaluation.js';
import { poseOfLandmarks } from './label-pose.js';
import type { BoxSpec } from './list.js';
import { browserUsage, exitCodes, parseBrowser, parseCount, parseOrUsage, startFolder } from './options.js';
import { createProgress, forEachConcurrent } from './progress.js';
import type { FaceReply } from './protocol.js';
import { runMain } from './run-main.js';
import { AlignSession, jobsInFlight } from './session.js';

const usage = `Usage: npm run --silent evaluate -- [--data DIR] [--split NAME] [--roll] [--auto] [--json FILE] [--seed N] [--limit N] [--browser NAME]

Prints how far the engine's faces are from the truth. For a split of labels.npz: the landmark error of every number of iterations, with the boxes of the ground
truth and with jittered ones, and of the label network; and how far mouths are open. For val-infant: the inner points' error, by roll. For val-cfp: six places of
real profiles. For val-closed-eyes: whether shut eyes are told from open ones, which are val-afw's.

  --data DIR    folder with faces/*.npz and faces/NAME.tar (default: ../shared/data)
  --split NAME  val-afw (default), val-infant, val-cfp, val-closed-eyes, or another of labels.npz that has 2D markup
  --roll        instead: the pictures turned by 0, 30, 60, 90, 135 and 180 degrees, boxes upright
  --auto        instead: without boxes, the faces that are found (val-cfp on a grey canvas of twice the size)
  --json FILE   the same numbers as JSON
  --seed N      seed of the jitter (default: 1)
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

const note = (text: string): void => void process.stderr.write(`${text}\n`);

function jpegOf(face: LabelledFace | undefined): Uint8Array {
  if (face === undefined) throw new Error('there is no such picture');
  return face.jpeg;
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
  const mouths = (results.get(`K = ${iterations}`) ?? []).map(({ landmarks, truth }) => {
    return { found: { values: landmarks, stride: 3 }, truth: { values: truth, stride: 2 } } as const;
  });
  return {
    rows: [...results].map(([label, predictions]) => ({ label, accuracy: measure(predictions) })),
    figures: mouthFigures(mouths),
  };
}

/** Figures by what they are of. */
type Figures = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** A picture with what is asked of it. */
interface Question {
  readonly face: LabelledFace;
  /** Without them the detector looks. */
  readonly boxes?: readonly BoxSpec[];
  /** As of `AlignJob`. */
  readonly canvas?: number;
}

/** The faces of every question; none where the detector found none. */
type Ask = (questions: readonly Question[]) => Promise<readonly (readonly FaceReply[])[]>;

async function askIn(browser: BrowserName, questions: readonly Question[]): ReturnType<Ask> {
  const session = await AlignSession.open({
    browser,
    detector: questions.some(({ boxes }) => boxes === undefined),
    note,
    read: async (picture) => jpegOf(questions[picture]?.face),
  });
  const answers: (readonly FaceReply[])[] = [];
  const progress = createProgress(questions.length, 'pictures');
  try {
    await forEachConcurrent(questions, jobsInFlight, async ({ face, boxes, canvas }, picture) => {
      const places = { ...(boxes !== undefined && { boxes }), ...(canvas !== undefined && { canvas }) };
      const reply = await session.align({ picture, name: face.image, faces: 'all', formats: [], ...places });
      if (reply.status === 'failed' && reply.code !== 'no-face') throw new Error(`${face.image}: ${reply.message}`);
      answers[picture] = reply.status === 'failed' ? [] : reply.faces;
      progress.step();
    });
  } finally {
    progress.stop();
    await session.close();
  }
  return answers;
}

/** The markup, or what stands for it: a box of the label network's points. */
function truthOf({ landmarks2d, landmarks3d, image }: LabelledFace): Points {
  if (landmarks2d !== undefined) return { values: landmarks2d, stride: 2 };
  if (landmarks3d !== undefined) return { values: landmarks3d, stride: 3 };
  throw new Error(`${image} has no points`);
}

/** The box of a face's points, in a frame that is turned by `roll` degrees. */
function boxOf(face: LabelledFace, roll = 0): BoxSpec {
  const { values, stride } = truthOf(face);
  const flat = Array.from({ length: values.length / stride }, (_, i) => [
    values[i * stride]!,
    values[i * stride + 1]!,
    0,
  ]);
  return landmarksBox(flat.flat(), roll);
}

const resultOf = ({ landmarks }: FaceReply): Points => ({ values: landmarks, stride: 3 });

function only(faces: readonly FaceReply[] | undefined): FaceReply {
  const [face] = faces ?? [];
  if (face === undefined) throw new Error('a box gives a face');
  return face;
}

function error51(found: Points, truth: Points): number {
  return normalisedMeanError(found.values, truth.values, innerPoints);
}

/** How far the inner lips are apart, against the markup. */
function mouthFigures(pairs: readonly { readonly found: Points; readonly truth: Points }[]): Figures {
  const [found, truth] = [pairs.map((pair) => mouthOpening(pair.found)), pairs.map((pair) => mouthOpening(pair.truth))];
  const wide = truth.flatMap((opening, i) => (opening > openMouth ? [i] : []));
  const opened = mean(wide.map((i) => found[i]!)) / mean(wide.map((i) => truth[i]!));
  return {
    mouths: { correlation: correlation(found, truth), 'as open as they are, %': 100 * opened, open: wide.length },
  };
}

/** Mouths above this count as open, eyes above the other. */
const openMouth = 0.06;
const openEye = 0.25;

/** The same pictures turned clockwise: what a crop turned the other way shows. */
async function measureRoll(ask: Ask, faces: readonly LabelledFace[]): Promise<Figures> {
  const answers = await ask(faces.map((face) => ({ face, boxes: rolls.map((roll) => boxOf(face, -roll)) })));
  return Object.fromEntries(
    rolls.map((roll, i) => {
      const results = faces.map((face, n) => ({ found: resultOf(answers[n]![i]!), truth: truthOf(face) }));
      const nme68 = mean(results.map(({ found, truth }) => normalisedMeanError(found.values, truth.values)));
      const { mean: nme51, over10 } = summarise(results.map(({ found, truth }) => error51(found, truth)));
      return [`${roll} degrees`, { nme68, nme51, over10 }];
    }),
  );
}

const rolls = [0, 30, 60, 90, 135, 180] as const;

async function measureInfants(ask: Ask, faces: readonly LabelledFace[]): Promise<Figures> {
  const answers = await ask(faces.map((face) => ({ face, boxes: [boxOf(face)] })));
  const results = faces.map((face, n) => {
    const truth = truthOf(face);
    return { roll: eyeRoll(truth), error: error51(resultOf(only(answers[n])), truth) };
  });
  const within = (low: number, high: number) =>
    results.filter(({ roll }) => roll >= low && roll < high).map(({ error }) => error);
  return {
    NME51: { ...summarise(within(0, 181)) },
    ...Object.fromEntries(
      rollBins.flatMap(([low, high]) => {
        const errors = within(low, high);
        return errors.length === 0 ? [] : [[`roll ${low}-${Math.min(180, high)}`, { ...summarise(errors) }]];
      }),
    ),
  };
}

const rollBins = [
  [0, 30],
  [30, 60],
  [60, 181],
] as const;

async function measureProfiles(ask: Ask, faces: readonly LabelledFace[]): Promise<Figures> {
  const answers = await ask(faces.map((face) => ({ face, boxes: [boxOf(face)] })));
  const errors = faces.map(({ fiducials, image }, n) => {
    if (fiducials === undefined) throw new Error(`${image} has no fiducials`);
    return placeErrors(resultOf(only(answers[n])), { values: fiducials, stride: 2 });
  });
  const all = errors.map((one) => mean(placeNames.map((name) => one[name])));
  return {
    'six places': { ...summarise(all) },
    ...Object.fromEntries(placeNames.map((name) => [name, { mean: mean(errors.map((one) => one[name])) }])),
  };
}

async function measureEyes(ask: Ask, shut: readonly LabelledFace[], others: readonly LabelledFace[]): Promise<Figures> {
  const wide = others.filter((face) => face.landmarks2d !== undefined && eyeRatio(truthOf(face)) > openEye);
  const all = [...shut, ...wide];
  const answers = (await ask(all.map((face) => ({ face, boxes: [boxOf(face)] })))).map(only);
  const ratios = answers.map((face) => eyeRatio(resultOf(face)));
  const blinks = answers.map(({ expression }) =>
    mean(['eyeBlink_L', 'eyeBlink_R'].map((name) => expression[name] ?? 0)),
  );
  const [ratioShut, ratioOpen] = [ratios.slice(0, shut.length), ratios.slice(shut.length)];
  const [blinkShut, blinkOpen] = [blinks.slice(0, shut.length), blinks.slice(shut.length)];
  return {
    'eye aspect ratio': {
      shut: mean(ratioShut),
      open: mean(ratioOpen),
      'area under the curve': areaUnderCurve(ratioOpen, ratioShut),
    },
    'blink weights': {
      shut: mean(blinkShut),
      open: mean(blinkOpen),
      'area under the curve': areaUnderCurve(blinkShut, blinkOpen),
    },
    faces: { shut: shut.length, open: wide.length },
  };
}

/** Without boxes: which faces are found, whose landmarks' box overlaps the truth's enough. */
async function measureFound(ask: Ask, faces: readonly LabelledFace[], split: string): Promise<Figures> {
  const canvas = split === 'val-cfp' ? { canvas: 2 } : {};
  const answers = await ask(faces.map((face) => ({ face, ...canvas })));
  const results = faces.map((face, n) => {
    const truth = truthOf(face);
    const at = tightBox(truth.values, truth.stride);
    // The crops of val-cfp are squares of 192, so that they lie as far from each side of a canvas of twice the size.
    const shift = split === 'val-cfp' ? cfpSide / 2 : 0;
    const wanted = { x0: at.x0 + shift, y0: at.y0 + shift, x1: at.x1 + shift, y1: at.y1 + shift };
    const isFound = answers[n]!.some((face) => boxOverlap(tightBox(face.landmarks, 3), wanted) > sameFace);
    return { roll: eyeRoll(truth), isFound };
  });
  const share = (some: typeof results) => ({
    faces: some.length,
    'found, %': (100 * some.filter(({ isFound }) => isFound).length) / some.length,
  });
  const byRoll = rollBins.flatMap(([low, high]) => {
    const some = results.filter(({ roll }) => roll >= low && roll < high);
    return some.length === 0 ? [] : [[`roll ${low}-${Math.min(180, high)}`, share(some)] as const];
  });
  return { 'without boxes': share(results), ...(split === 'val-infant' && Object.fromEntries(byRoll)) };
}

const sameFace = 0.4;
const cfpSide = 192;

/** A line a row of figures. */
function formatFigures(figures: Figures): string {
  const width = Math.max(...Object.keys(figures).map((name) => name.length));
  const value = (number: number) => (Number.isInteger(number) ? `${number}` : number.toFixed(2));
  return Object.entries(figures)
    .map(([name, row]) => {
      const cells = Object.entries(row).map(([key, number]) => `${key} ${value(number)}`);
      return `${name.padEnd(width)}  ${cells.join(', ')}`;
    })
    .join('\n');
}

const hardSplits = ['val-infant', 'val-cfp', 'val-closed-eyes'];

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
  const data = resolve(folder, values.data);
  const write = async (summary: Readonly<Record<string, unknown>>) => {
    if (values.json === undefined) return;
    const path = resolve(folder, values.json);
    await writeFile(path, `${JSON.stringify(summary, null, 2)}\n`);
    note(`${basename(path)} written`);
  };
  if (values.roll || values.auto || hardSplits.includes(split)) {
    const all = hardSplits.includes(split)
      ? await readHardFaces(data, split)
      : (await readSplit(data, split)).filter(({ landmarks2d }) => landmarks2d !== undefined);
    const faces = all.slice(0, limit);
    if (faces.length === 0) throw new Error(`${split} has no picture with 2D markup`);
    const ask: Ask = (questions) => askIn(browser, questions);
    const figures = await measureFigures(ask, faces, data, limit, { split, roll: values.roll, auto: values.auto });
    process.stdout.write(`${split}: ${faces.length} pictures, errors in % of sqrt(w h)\n${formatFigures(figures)}\n`);
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
  if (auto) return measureFound(ask, faces, split);
  if (roll) return measureRoll(ask, faces);
  if (split === 'val-infant') return measureInfants(ask, faces);
  if (split === 'val-cfp') return measureProfiles(ask, faces);
  return readSplit(data, 'val-afw').then((others) => measureEyes(ask, faces, others.slice(0, limit)));
}

await runMain(main);

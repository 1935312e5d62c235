/**
 * `npm run --silent compare -- --model FILE`: the engine beside MediaPipe's FaceLandmarker, on the same labelled
 * pictures.
 */
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { FaceModel } from '../src/mmm/model.js';
import { findByLandmarker } from './compare/find.js';
import {
  type ComparedSplit,
  type CompareOptions,
  compareUsage,
  parseCompareArguments,
  readTask,
} from './compare/options.js';
import { type LabelledFace, readHardFaces, readMarked } from './data/faces.js';
import {
  eyeFigures,
  type Figures,
  type Found,
  formatBeside,
  infantFigures,
  markupFigures,
  openEyed,
  profileFigures,
} from './figures.js';
import { bundledFaceModel, poseOfLandmarks } from './label-pose.js';
import { exitCodes, startFolder } from './options.js';
import { askIn, findIn, note } from './questions.js';
import { runMain } from './run-main.js';

interface Compared {
  readonly split: ComparedSplit;
  readonly faces: readonly LabelledFace[];
}

/** The pictures of each split; shut eyes are told from val-afw's open ones. */
async function readCompared({ data, splits, limit }: CompareOptions): Promise<readonly Compared[]> {
  const afw = splits.some((split) => split === 'val-afw' || split === shutEyes)
    ? await readMarked(data, 'val-afw')
    : [];
  const compared: Compared[] = [];
  for (const split of splits) {
    const faces = (split === 'val-afw' ? afw : await readHardFaces(data, split)).slice(0, limit);
    compared.push({ split, faces: split === shutEyes ? [...faces, ...openEyed(afw.slice(0, limit))] : faces });
  }
  return compared;
}

const shutEyes = 'val-closed-eyes';

type Measure = (faces: readonly LabelledFace[], findings: readonly Found[]) => Figures;

/** The figures of each split. */
function measures(model: FaceModel): Readonly<Record<ComparedSplit, Measure>> {
  return {
    'val-afw': (faces, findings) => markupFigures(faces, findings, (face) => yawOf(face, model)),
    'val-infant': infantFigures,
    'val-cfp': profileFigures,
    [shutEyes]: (faces, findings) => {
      const isShut = (index: number) => faces[index]!.image.startsWith(`${shutEyes}/`);
      return eyeFigures(
        findings.filter((_, index) => isShut(index)),
        findings.filter((_, index) => !isShut(index)),
      );
    },
  };
}

function yawOf({ image, landmarks3d }: LabelledFace, model: FaceModel): number {
  if (landmarks3d === undefined) throw new Error(`${image} has no 3D points`);
  return poseOfLandmarks(landmarks3d, model).yaw;
}

async function main(): Promise<number> {
  const options = parseCompareArguments(process.argv.slice(2), startFolder(process.env, process.cwd(), 'compare'));
  if (options === undefined) {
    process.stdout.write(`${compareUsage}\n`);
    return exitCodes.ok;
  }
  const [task, compared, model] = await Promise.all([
    readTask(options.model),
    readCompared(options),
    bundledFaceModel(),
  ]);
  const faces = [...new Set(compared.flatMap((split) => split.faces))];
  // Theirs first: whether the model can be used shows with the first picture.
  const theirs = await findByLandmarker(options.browser, task, faces);
  const ours = await findIn((questions) => askIn(options.browser, questions), faces);
  const ways = { fullpose: ours, FaceLandmarker: theirs };
  const measure = measures(model);
  const results: Record<string, Readonly<Record<string, Figures>>> = {};
  for (const { split, faces: some } of compared) {
    const rows = some.map((face) => faces.indexOf(face));
    const common = rows.filter((row) => Object.values(ways).every((findings) => findings[row] !== undefined));
    const columns = (chosen: readonly number[], suffix = '') => {
      const shown = chosen.map((row) => faces[row]!);
      return Object.entries(ways).map(([way, findings]) => {
        const found = chosen.map((row) => findings[row]);
        return [`${way}${suffix}`, measure[split](shown, found)] as const;
      });
    };
    // Who loses the hard faces has easier ones left.
    const both = common.length === rows.length ? [] : columns(common, ', found by both');
    results[split] = Object.fromEntries([...columns(rows), ...both]);
    process.stdout.write(`${split}: ${rows.length} pictures\n\n${formatBeside(results[split])}\n\n`);
  }
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify(results, null, 2)}\n`);
    note(`${basename(options.json)} written`);
  }
  return exitCodes.ok;
}

await runMain(main);

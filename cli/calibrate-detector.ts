/**
 * Measures how the default detector's boxes relate to the crop that the network was trained on, over labelled crops:
 *
 *     npx tsx cli/calibrate-detector.ts [--data ../shared/data] [--each 100]
 *
 * prints the constants of `DETECTOR_TO_CROP` (src/pictures/boxes.ts) and how far single faces scatter round them.
 * `--each` is the number of crops taken from each split, evenly spaced; each is seen at three sizes.
 */
import { parseArgs } from 'node:util';
import { PageHost } from '../scripts/page-host.js';
import { indexedPictures } from '../scripts/page-plugins.js';
import { rotate, turnOf } from '../src/pictures/crop.js';
import { median, quantile, tightBox } from './accuracy.js';
import { type LabelledCrop, readSplit } from './data/faces.js';

const splits = ['train-300w', 'train-youtube', 'train-lfw'] as const;

/**
 * The crop is 192 px wide and the face's square two thirds of that: the face then spans 0.67, 0.33 and 0.22 of the
 * picture.
 */
const margins = [1, 2, 3] as const;

interface Sample {
  /** Side of the landmark crop over the mean of the detector box's width and height. */
  readonly scale: number;
  /** Centre of the landmark crop minus centre of the box, over that mean. */
  readonly shiftX: number;
  readonly shiftY: number;
  readonly margin: number;
  readonly aspect: number;
}

const { values } = parseArgs({
  options: { data: { type: 'string', default: '../shared/data' }, each: { type: 'string', default: '100' } },
});
const each = Number(values.each);

const crops: LabelledCrop[] = [];
for (const split of splits) {
  const all = await readSplit(values.data, split);
  crops.push(
    ...Array.from({ length: each }, (_, i) => all[Math.floor((i * all.length) / each)]).filter((c) => c !== undefined),
  );
}

const host = await PageHost.open({
  plugins: [
    indexedPictures(async (index) => {
      const crop = crops[index];
      if (crop === undefined) throw new Error(`there are ${crops.length} pictures`);
      return crop.jpeg;
    }),
  ],
});
const samples: Sample[] = [];
const missed = new Map<number, number>(margins.map((margin) => [margin, 0]));
try {
  const page = await host.openPage('/cli/calibrate/');
  page.on('pageerror', (error) => console.error(error));
  await page.waitForFunction(() => typeof window.detectFaces === 'function', { timeout: 60_000 });
  for (const [index, crop] of crops.entries()) {
    const box = tightBox(crop.landmarks3d, 3);
    const [x, y] = [(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2];
    const side = Math.SQRT2 * Math.max(box.x1 - box.x0, box.y1 - box.y0);
    for (const margin of margins) {
      const faces = await page.evaluate((i, m) => window.detectFaces(i, m), index, margin);
      const face = faces.find(({ x0, y0, x1, y1 }) => x > x0 && x < x1 && y > y0 && y < y1);
      if (face === undefined) {
        missed.set(margin, (missed.get(margin) ?? 0) + 1);
        continue;
      }
      const [width, height] = [face.x1 - face.x0, face.y1 - face.y0];
      const size = (width + height) / 2;
      const off = [x - (face.x0 + face.x1) / 2, y - (face.y0 + face.y1) / 2] as const;
      const [across, down] = rotate(...off, turnOf(-face.roll));
      samples.push({
        scale: side / size,
        shiftX: across / size,
        shiftY: down / size,
        margin,
        aspect: width / height,
      });
    }
    if (index % 50 === 49) process.stderr.write(`${index + 1} of ${crops.length} crops\n`);
  }
} finally {
  await host.close();
}

function report(label: string, chosen: readonly Sample[]): void {
  const spread = (pick: (sample: Sample) => number) => {
    const numbers = chosen.map(pick);
    return [0.05, 0.25, 0.5, 0.75, 0.95].map((fraction) => quantile(numbers, fraction).toFixed(3)).join(' ');
  };
  console.log(`${label}: ${chosen.length} faces; quantiles 5 25 50 75 95 %`);
  console.log(`  scale   ${spread(({ scale }) => scale)}`);
  console.log(`  shift x ${spread(({ shiftX }) => shiftX)}`);
  console.log(`  shift y ${spread(({ shiftY }) => shiftY)}`);
  console.log(`  width / height ${spread(({ aspect }) => aspect)}`);
}

report('all', samples);
for (const margin of margins) {
  report(
    `canvas ${margin} x crop (missed ${missed.get(margin)})`,
    samples.filter((sample) => sample.margin === margin),
  );
}
const constants = {
  scale: median(samples.map(({ scale }) => scale)),
  shiftX: median(samples.map(({ shiftX }) => shiftX)),
  shiftY: median(samples.map(({ shiftY }) => shiftY)),
};
console.log(JSON.stringify(constants));

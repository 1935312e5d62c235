import { FaceAligner } from '../../src/align/aligner.js';
import { FaceDetector } from '../../src/detect/index.js';
import { FaceTracker, type TrackedFace } from '../../src/track/tracker.js';
import { countCalls, uploadCall } from '../align/calls.js';
import { expectEqual, expectThat } from '../browser/numbers.js';
import { type GpuCaseContext, gpuSuite } from '../browser/suite.js';
import { shippedWeights } from '../cascade/shipped-weights.js';

/** Where a face of the made-up video is: that of the sample photo, moved, zoomed and turned in the plane. */
interface Actor {
  /** Centre of the face, picture pixels. */
  readonly x: number;
  readonly y: number;
  /** Over its size in the photo. */
  readonly zoom: number;
  readonly degrees: number;
}

/** The sample turned from profile to profile (`python -m training.pictures clip`), in rows of `columns` frames. */
interface ProfileFilm {
  /** Of a frame, in pixels. */
  readonly size: number;
  readonly columns: number;
  /** Of the first frame's landmarks: left, top, right, bottom. */
  readonly box: readonly [number, number, number, number];
  /** Of each frame, degrees. */
  readonly yaw: readonly number[];
}

const SIZE = [640, 400] as const;
const FRAME_MS = 40;

/** In the photo: the middle of her face, and the square round her head that is shown. */
const FACE = { x: 224, y: 128 } as const;
const HEAD = { x: 129, y: 33, side: 190 } as const;
/** About the tight box of her landmarks. */
const PHOTO_BOX = { x0: 180, y0: 86, x1: 268, y1: 178 } as const;
/** Also in the photo: her suit, where no face is. */
const SUIT = [30, 330, 330, 180] as const;

/** From the photo to the picture. */
function transformOf({ x, y, zoom, degrees }: Actor): DOMMatrix {
  return new DOMMatrix().translate(x, y).rotate(degrees).scale(zoom).translate(-FACE.x, -FACE.y);
}

function paint(photo: ImageBitmap, actors: readonly Actor[]): OffscreenCanvas {
  const canvas = new OffscreenCanvas(...SIZE);
  const context = canvas.getContext('2d');
  expectThat(context !== null, 'no 2D canvas');
  context.drawImage(photo, ...SUIT, 0, 0, ...SIZE);
  const { x, y, side } = HEAD;
  for (const actor of actors) {
    context.setTransform(transformOf(actor));
    context.drawImage(photo, x, y, side, side, x, y, side, side);
  }
  return canvas;
}

/** Mean distance of landmarks from where the actor has them, over the size of its face. */
function errorOf(face: TrackedFace, actor: Actor, inPhoto: ArrayLike<number>): number {
  const matrix = transformOf(actor);
  let sum = 0;
  for (let i = 0; i < 68; i++) {
    const { x, y } = matrix.transformPoint({ x: inPhoto[3 * i] ?? 0, y: inPhoto[3 * i + 1] ?? 0 });
    sum += Math.hypot((face.landmarks[3 * i] ?? 0) - x, (face.landmarks[3 * i + 1] ?? 0) - y);
  }
  return sum / 68 / (95 * actor.zoom);
}

/**
 * The two of frame `t`. The left one moves by up to an eighth of its size a frame, faster than the last iterations can
 * follow.
 */
const left = (t: number): Actor => ({ x: 150 + 6 * t, y: 190 + 30 * Math.sin(t / 3), zoom: 1, degrees: 3 * t });
const right = (t: number): Actor => ({ x: 480 - 3 * t, y: 200, zoom: 1 + 0.03 * t, degrees: -20 * Math.sin(t / 4) });

async function withTracker(
  { gpu, load }: GpuCaseContext,
  action: (tools: { aligner: FaceAligner; detector: FaceDetector; tracker: FaceTracker }) => Promise<void>,
): Promise<void> {
  const { device } = gpu;
  const aligner = await FaceAligner.create({ weights: await shippedWeights(load), device, maxFaces: 2 });
  const [network, weights] = await Promise.all([
    load('weights/face_detector.json'),
    load('weights/face_detector.safetensors'),
  ]);
  const buffers = { network: new TextDecoder().decode(network), weights };
  const detector = await FaceDetector.create({ weights: buffers, device });
  try {
    const tracker = await FaceTracker.create({ aligner, detector, maxFaces: 2, detectEvery: 5 * FRAME_MS });
    await action({ aligner, detector, tracker });
  } finally {
    aligner.destroy();
    detector.destroy();
  }
}

export const tracker = gpuSuite('tracking with the shipped weights', (test) => {
  test('keeps a face that zooms and jumps at two frames a second, and is never sure beside it', async (context) => {
    const photo = await createImageBitmap(new Blob([await context.load('assets/astronaut.png')]));
    await withTracker(context, async ({ aligner, detector, tracker }) => {
      const [still] = await aligner.align(photo, await detector.detect(photo));
      expectThat(still !== undefined, 'there is no face in the photo');
      const jumps = [
        [200, 1],
        [270, 1.9],
        [300, 0.8],
        [240, 1.5],
      ] as const;
      const { calls } = await countCalls(async () => {
        for (const [i, [x, zoom]] of jumps.entries()) {
          const actor = { x, y: 200, zoom, degrees: 0 };
          const faces = await tracker.track(paint(photo, [actor]), 500 * i);
          expectEqual(faces.map(({ id }) => id).join(), '1', `ids of frame ${i}`);
          for (const face of faces) {
            const error = errorOf(face, actor, still.landmarks);
            expectThat(face.confidence > 0.5 && error < 0.04, `frame ${i}: ${error} off, sure by ${face.confidence}`);
          }
        }
      });
      // Each look of the detector reads the picture that the aligner has.
      expectEqual(calls.get(uploadCall(context.gpu)), jumps.length, 'uploads');
    });
  });

  test('follows two faces that move, loses those that are cut away, and finds them again', async (context) => {
    const photo = await createImageBitmap(new Blob([await context.load('assets/astronaut.png')]));
    await withTracker(context, async ({ aligner, detector, tracker }) => {
      const [still] = await aligner.align(photo, await detector.detect(photo));
      expectThat(still !== undefined, 'there is no face in the photo');
      let now = 0;
      const shown = async (actors: readonly Actor[]) => {
        now += FRAME_MS;
        const faces = await tracker.track(paint(photo, actors), now);
        return { faces, sure: faces.filter(({ confidence }) => confidence >= 0.5) };
      };
      /**
       * Ids of the next frame's faces in the order of the actors: each sure face lies within 2% of its size from an
       * actor's.
       */
      const next = async (actors: readonly Actor[], label: string): Promise<readonly (number | undefined)[]> => {
        const { sure } = await shown(actors);
        const ids = actors.map((actor) => sure.find((face) => errorOf(face, actor, still.landmarks) < 0.02)?.id);
        expectEqual(sure.length, ids.filter((id) => id !== undefined).length, `${label}: faces that are somebody's`);
        return ids;
      };
      const start = await next([left(0), right(0)], 'start');
      expectEqual([...start].sort(), [1, 2], 'ids');
      for (let t = 1; t < 12; t++) expectEqual(await next([left(t), right(t)], `frame ${t}`), start, `ids ${t}`);

      // The left one is cut away and comes back somewhere else; a look of the detector takes a frame or two.
      for (let t = 12; t < 15; t++) expectEqual(await next([right(t)], `frame ${t}`), [start[1]], `ids ${t}`);
      expectEqual((await shown([right(15)])).faces.length, 1, 'faces after the cut');
      let back: number | undefined;
      for (let t = 0; t < 12 && back === undefined; t++) {
        const [id, other] = await next([left(t), right(15)], `frame ${16 + t}`);
        expectEqual(other, start[1], 'the face that stayed');
        back = id;
      }
      expectEqual(back, 3, 'id of the one that came back');

      // Background alone: held in doubt, then lost; the detector looks in every frame until they are there again.
      for (const count of [2, 2, 0, 0]) {
        const { faces, sure } = await shown([]);
        expectEqual([faces.length, sure.length], [count, 0], 'faces, and sure ones');
      }
      const again = await next([left(0), right(0)], 'the end');
      expectEqual([...again].sort(), [4, 5], 'ids in the end');
    });
    photo.close();
  });

  test('follows a head through a whole turn in the plane, in four seconds at 30 frames a second', async (context) => {
    const photo = await createImageBitmap(new Blob([await context.load('assets/astronaut.png')]));
    const { device } = context.gpu;
    const aligner = await FaceAligner.create({ weights: await shippedWeights(context.load), device });
    const tracker = await FaceTracker.create({ aligner });
    const still = await aligner.align(photo, [{ ...PHOTO_BOX, kind: 'landmarks' }]);
    expectThat(still[0] !== undefined, 'there is no face in the photo');
    const [width, height] = [PHOTO_BOX.x1 - PHOTO_BOX.x0, PHOTO_BOX.y1 - PHOTO_BOX.y0];
    const frames = 120;
    for (let t = 0; t <= frames; t++) {
      const actor = { x: 320, y: 200, zoom: 1, degrees: 3 + (360 * t) / frames };
      const { x, y } = transformOf(actor).transformPoint({
        x: (PHOTO_BOX.x0 + PHOTO_BOX.x1) / 2,
        y: (PHOTO_BOX.y0 + PHOTO_BOX.y1) / 2,
      });
      const box = { x0: x - width / 2, y0: y - height / 2, x1: x + width / 2, y1: y + height / 2 };
      const boxes = t === 0 ? [{ ...box, kind: 'landmarks', roll: actor.degrees } as const] : [];
      const faces = await tracker.track(paint(photo, [actor]), (1000 * t) / 30 + 1, { boxes });
      const [face] = faces;
      expectThat(face !== undefined && faces.length === 1, `frame ${t}: ${faces.length} faces`);
      expectEqual([face.id, face.age], [1, t], `id and age in frame ${t}`);
      const error = errorOf(face, actor, still[0].landmarks);
      expectThat(error < 0.03, `frame ${t}, ${actor.degrees} degrees: landmarks are off by ${100 * error}%`);
    }
    tracker.destroy();
    aligner.destroy();
    photo.close();
  });

  test('follows a head from one profile to the other, at 100 degrees a second', async (context) => {
    const film = await createImageBitmap(new Blob([await context.load('tests/fixtures/profiles.jpg')]));
    const told = new TextDecoder().decode(await context.load('tests/fixtures/profiles.json'));
    const { size, columns, box, yaw }: ProfileFilm = JSON.parse(told);
    const [x0, y0, x1, y1] = box;
    const aligner = await FaceAligner.create({
      weights: await shippedWeights(context.load),
      device: context.gpu.device,
    });
    const tracker = await FaceTracker.create({ aligner });
    for (const [t, degrees] of yaw.entries()) {
      const canvas = new OffscreenCanvas(size, size);
      const at = [-size * (t % columns), -size * Math.floor(t / columns)] as const;
      canvas.getContext('2d')?.drawImage(film, ...at);
      const boxes = t === 0 ? [{ x0, y0, x1, y1, kind: 'landmarks' } as const] : [];
      const faces = await tracker.track(canvas, (1000 * t) / 30 + 1, { boxes });
      const [face] = faces;
      expectThat(face !== undefined && faces.length === 1, `frame ${t}: ${faces.length} faces`);
      expectEqual([face.id, face.age], [1, t], `id and age in frame ${t}`);
      const found = face.pose.yaw;
      expectThat(Math.abs(found - degrees) < 15, `frame ${t}: ${found} degrees of yaw, ${degrees} expected`);
    }
    tracker.destroy();
    aligner.destroy();
    film.close();
  });
});

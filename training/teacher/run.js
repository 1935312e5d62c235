// Takes batches of pictures from training/teacher.py, runs the FaceLandmarker over them and gives back floats, until there are none left.
// A row of the answer: 1 where a face was found, 478 x (x, y, z) as the task gives them (fractions of the picture), then the blendshapes.
import { FaceLandmarker } from '/tasks-vision/vision_bundle.mjs';

const POINTS = 478;
const BLENDSHAPES = 52;

const post = (path, body, headers = {}) => fetch(path, { method: 'POST', body, headers });

async function main() {
  const landmarker = await FaceLandmarker.createFromOptions(
    { wasmLoaderPath: '/tasks-vision/wasm/vision_wasm_internal.js', wasmBinaryPath: '/tasks-vision/wasm/vision_wasm_internal.wasm' },
    {
      baseOptions: { modelAssetPath: '/face_landmarker.task', delegate: 'CPU' },
      runningMode: 'IMAGE',
      numFaces: 1,
      minFaceDetectionConfidence: 0.2,
      minFacePresenceConfidence: 0.2,
      outputFaceBlendshapes: true,
    },
  );
  for (;;) {
    const response = await fetch('/next', { cache: 'no-store' });
    if (response.status === 204) break;
    const rows = response.headers.get('X-Rows').split(',');
    const side = Number(response.headers.get('X-Side'));
    const pixels = new Uint8ClampedArray(await response.arrayBuffer());
    const stride = 1 + 3 * POINTS + BLENDSHAPES;
    const out = new Float32Array(rows.length * stride);
    let names = '';
    rows.forEach((_, i) => {
      const picture = new ImageData(pixels.subarray(i * 4 * side * side, (i + 1) * 4 * side * side), side, side);
      const { faceLandmarks, faceBlendshapes } = landmarker.detect(picture);
      if (faceLandmarks.length === 0) return;
      const row = out.subarray(i * stride, (i + 1) * stride);
      row[0] = 1;
      faceLandmarks[0].forEach(({ x, y, z }, k) => row.set([x, y, z], 1 + 3 * k));
      const shapes = faceBlendshapes[0].categories;
      if (shapes.length !== BLENDSHAPES || faceLandmarks[0].length !== POINTS)
        throw new Error(`${faceLandmarks[0].length} points, ${shapes.length} blendshapes; wanted ${POINTS} and ${BLENDSHAPES}`);
      row.set(shapes.map(({ score }) => score), 1 + 3 * POINTS);
      names = shapes.map(({ categoryName }) => categoryName).join(',');
    });
    await post('/result', out, { 'X-Rows': rows.join(','), 'X-Names': names });
  }
}

main().catch((error) => post('/error', `${error?.stack ?? error}`));

/** Paths that the page server answers beside the repository's files; known to the server's plugins and to the pages. */

/** The benchmark's rivals: onnxruntime-web, and the WASM files of TensorFlow.js. */
export const onnxruntimeBase = '/rivals/onnxruntime/';
export const tfjsWasmBase = '/rivals/tfjs-wasm/';

/** The pictures of the running program, by index. */
export const picturesBase = '/pictures/';

/** MediaPipe's WASM files, and the model that the user gave. */
export const mediapipeBase = '/rivals/mediapipe/';
export const mediapipeModel = '/rivals/face_landmarker.task';
